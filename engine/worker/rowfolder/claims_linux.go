package rowfolder

import (
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Claims are locks of open files on single bytes: the system gives them back whatever ends a worker, and a file of them
// takes no room, however many there are.

// towers is where the bytes of towers begin, behind those of pictures.
const towers = 1 << 62

// byteOf is the byte that a name stands for. That two names have the same is as unlikely as it is harmless: one waits
// for the other.
func byteOf(name []byte) int64 { return int64(binary.LittleEndian.Uint64(name) % (towers - 1)) }

// claim says to the others that this process encodes a picture, until release is called. It is not ok where one of them
// does.
func (f *Folder) claim(n Name) (release func(), ok bool) {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: byteOf(n[:]), Len: 1}
	if err := unix.FcntlFlock(f.claims.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		return nil, false
	}
	return sync.OnceFunc(func() {
		lock.Type = unix.F_UNLCK
		_ = unix.FcntlFlock(f.claims.Fd(), unix.F_OFD_SETLK, &lock) // a closed file has no locks either
	}), true
}

// join tells the others that this process has the tower.
func (f *Folder) join() error {
	lock := unix.Flock_t{Type: unix.F_RDLCK, Start: towers + byteOf(f.tower[:])/2, Len: 1}
	if err := unix.FcntlFlock(f.claims.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		return fmt.Errorf("folder of rows: lock: %w", err)
	}
	return nil
}

// alone reports whether no other process has the tower.
func (f *Folder) alone() bool {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: towers + byteOf(f.tower[:])/2, Len: 1}
	err := unix.FcntlFlock(f.claims.Fd(), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type == unix.F_UNLCK
}
