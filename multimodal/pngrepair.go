package multimodal

import (
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"io"
)

const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	// pngOverhead is a chunk's length, name and checksum.
	pngOverhead = 12
)

// pngReader gives a PNG file to Go's decoder as Pillow sees it: chunks behind the pixels, their checksums, the end of
// the file and bytes beyond the last row do not matter; a checksum of the pixels themselves that is there must be
// right, and every row must be there unless the file says that there are no more. Rows come unpacked, in chunks of
// their own, so that it needs no memory.
type pngReader struct {
	ready  []byte // to be read next
	rest   []byte // chunks that are not looked at yet
	idat   idatReader
	pixels io.Reader   // unpacked; nil before the first of them
	want   int64       // bytes of pixels that are still to come
	all    int64       // of them
	row    int64       // bytes of each, 0 where they differ
	sum    hash.Hash32 // of the pixels that are there
	out    hash.Hash32 // of those that are passed on
	buffer []byte      // for a chunk of pixels
	begun  bool
	ended  bool
}

// newPNGReader reads data, which begins with the signature.
func newPNGReader(data []byte) *pngReader {
	return &pngReader{ready: data[:len(pngSignature)], rest: data[len(pngSignature):], sum: adler32.New(), out: adler32.New()}
}

var errPNG = errors.New("malformed PNG")

func (r *pngReader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 {
		if r.ended {
			return 0, io.EOF
		}
		next := r.header
		if r.pixels != nil {
			next = r.rows
		}
		if err := next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// header passes on the next chunk before the pixels, or begins with them.
func (r *pngReader) header() error {
	name, body, whole := pngChunk(r.rest)
	switch {
	case name == "IDAT":
		r.idat.rest = r.rest
		var head [2]byte
		if _, err := io.ReadFull(&r.idat, head[:]); err != nil {
			return err
		}
		const deflate, preset, check = 8, 0x20, 31
		if head[0]&0x0f != deflate || head[1]&preset != 0 || binary.BigEndian.Uint16(head[:])%check != 0 {
			return errPNG
		}
		r.pixels = flate.NewReader(&r.idat)
		r.buffer = make([]byte, 0, pngBlock+64)
		return nil
	case !whole:
		return io.ErrUnexpectedEOF
	case name == "IHDR":
		r.all, r.row = pngBytes(body)
		r.want = r.all
	}
	n := len(body) + pngOverhead
	r.ready, r.rest = r.rest[:n], r.rest[n:]
	return nil
}

// rows passes on some pixels as a chunk that is not compressed, and the end after the last of them.
func (r *pngReader) rows() error {
	out := r.buffer[:0]
	out = append(out, "\x00\x00\x00\x00IDAT"...)
	if !r.begun {
		out, r.begun = append(out, 0x78, 0x01), true // the zlib header
	}
	size := min(r.want, pngBlock)
	last := byte(0)
	if size == r.want {
		last = 1
	}
	out = append(out, last, byte(size), byte(size>>8), ^byte(size), ^byte(size>>8))
	block := out[len(out) : len(out)+int(size)]
	n, err := r.fill(block)
	if err != nil {
		return err
	}
	_, _ = r.sum.Write(block[:n])
	_, _ = r.out.Write(block)
	out = out[:len(out)+len(block)]
	r.want -= size
	if r.want > 0 {
		r.ready = endChunk(out)
		return nil
	}
	if err := r.checkSum(); err != nil {
		return err
	}
	out = endChunk(binary.BigEndian.AppendUint32(out, r.out.Sum32()))
	end := endChunk([]byte("\x00\x00\x00\x00IEND"))
	out = append(out, end...)
	r.ready, r.ended = out, true
	return nil
}

// fill unpacks the next bytes and says how many there are. After a proper end
// of the stream the rows that are not there are black.
func (r *pngReader) fill(block []byte) (filled int, err error) {
	for filled < len(block) && err == nil {
		var n int
		n, err = r.pixels.Read(block[filled:])
		filled += n
	}
	switch {
	case filled == len(block):
		return filled, nil
	case errors.Is(err, io.EOF) && r.row > 0 && (r.all-r.want+int64(filled))%r.row == 0:
		clear(block[filled:])
		return filled, nil
	case errors.Is(err, io.EOF):
		return 0, errPNG
	}
	return 0, err
}

// pngBlock is how many bytes of pixels come at a time.
const pngBlock = 1<<15 - 1

// checkSum compares the checksum behind the last row with what it is of, where both are there.
func (r *pngReader) checkSum() error {
	var more [1]byte
	if n, err := r.pixels.Read(more[:]); n > 0 || !errors.Is(err, io.EOF) {
		return nil // more pixels than there are places for, or a stream whose end is missing: nobody gets to its checksum
	}
	var sum [4]byte
	if _, err := io.ReadFull(&r.idat, sum[:]); err == nil && binary.BigEndian.Uint32(sum[:]) != r.sum.Sum32() {
		return errPNG
	}
	return nil
}

// endChunk fills in the length of a chunk that is the whole of out, and adds its checksum.
func endChunk(out []byte) []byte {
	const head = 8
	binary.BigEndian.PutUint32(out, uint32(len(out)-head))
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// pngChunk takes the first chunk; whole is whether its checksum is there too.
func pngChunk(data []byte) (name string, body []byte, whole bool) {
	const head, sum = 8, 4
	if len(data) < head {
		return "", nil, false
	}
	size := int64(binary.BigEndian.Uint32(data))
	whole = size <= int64(len(data)-head-sum)
	return string(data[4:head]), data[head:][:min(size, int64(len(data)-head))], whole
}

// pngBytes is how many bytes all rows take unpacked, and each where they are of one length, from the header.
func pngBytes(head []byte) (all, row int64) {
	if len(head) < 13 {
		return 0, 0
	}
	width, height := int64(binary.BigEndian.Uint32(head)), int64(binary.BigEndian.Uint32(head[4:]))
	channels := map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[head[9]]
	bits := channels * int64(head[8])
	rows := func(w, h int64) int64 {
		if w <= 0 || h <= 0 {
			return 0
		}
		return h * (1 + (w*bits+7)/8)
	}
	if head[12] == 0 {
		return rows(width, height), rows(width, 1)
	}
	for _, p := range [][4]int64{{8, 8, 0, 0}, {8, 8, 4, 0}, {4, 8, 0, 4}, {4, 4, 2, 0}, {2, 4, 0, 2}, {2, 2, 1, 0}, {1, 2, 0, 1}} {
		all += rows((width-p[2]+p[0]-1)/p[0], (height-p[3]+p[1]-1)/p[1])
	}
	return all, 0
}

// idatReader reads the bodies of chunks of pixels that follow each other, whatever their checksums.
type idatReader struct{ rest, body []byte }

func (r *idatReader) next() error {
	for len(r.body) == 0 {
		name, body, whole := pngChunk(r.rest)
		if name != "IDAT" {
			return io.EOF
		}
		r.body = body
		if whole {
			r.rest = r.rest[len(body)+pngOverhead:]
		} else {
			r.rest = nil
		}
	}
	return nil
}

func (r *idatReader) Read(p []byte) (int, error) {
	if err := r.next(); err != nil {
		return 0, err
	}
	n := copy(p, r.body)
	r.body = r.body[n:]
	return n, nil
}

// ReadByte keeps package flate from reading further than it needs to.
func (r *idatReader) ReadByte() (byte, error) {
	if err := r.next(); err != nil {
		return 0, err
	}
	b := r.body[0]
	r.body = r.body[1:]
	return b, nil
}
