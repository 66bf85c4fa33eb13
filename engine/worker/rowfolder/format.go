package rowfolder

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
)

// A file has a magic, the name of its rows, the rows as rowcache writes them, and a checksum of all that.
const (
	magic      = "qvldrows"
	headerSize = len(magic) + len(Name{})
	sumSize    = crc32.Size
)

// errDamaged is what a file has that is not whole, or another's.
var errDamaged = errors.New("the file is damaged")

// sum is computed by an instruction of most processors.
func sum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

func encodedSize(rows *rowcache.Rows) int64 { return int64(headerSize) + rows.EncodedSize() + sumSize }

func encode(n Name, rows *rowcache.Rows) []byte {
	out := make([]byte, 0, encodedSize(rows))
	out = append(append(out, magic...), n[:]...)
	out = rows.AppendEncoded(out)
	return binary.LittleEndian.AppendUint32(out, sum(out))
}

func decode(n Name, data []byte) (*rowcache.Rows, error) {
	if len(data) < headerSize+sumSize || string(data[:len(magic)]) != magic || Name(data[len(magic):headerSize]) != n {
		return nil, errDamaged
	}
	body := data[:len(data)-sumSize]
	if sum(body) != binary.LittleEndian.Uint32(data[len(body):]) {
		return nil, errDamaged
	}
	return rowcache.Decode(body[headerSize:])
}
