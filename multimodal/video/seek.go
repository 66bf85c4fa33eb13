package video

// Costs of reading, in pixels that are decoded in the same time; measured with H.264 on 2 cores, where 400 million
// pixels take a second.
const (
	// startCost is that of another child, frameCost what a frame of any size takes.
	startCost = 25_000_000
	frameCost = 30_000
	// perSecond is the pixels of the measurement, so that what is shown does not depend on the machine.
	perSecond = 400_000_000
	// exactCost is how much may be decoded for the sake of exactly the frames that were chosen, 20 s. Beyond it key
	// frames are taken instead where none is further from the chosen one than that is from the next.
	exactCost = 20 * perSecond
	// keyShift in seconds is how far they may be where the exact ones could not be reached in time at all: half of what
	// lies between the key frames that encoders make by themselves (250 frames), and a little more.
	keyShift = 5.5
	// maxTerms bounds how many frames one child picks: they are listed on its command line.
	maxTerms = 512
)

// segment is a run of chosen frames that one child decodes: wanted[from:to].
type segment struct {
	from, to int
	seek     bool // start at the key frame before the first of them, not at the video's beginning
	keysOnly bool // decode key frames only
}

// frameCost is that of decoding a frame.
func (c *clip) frameCost() int { return frameCost + c.info.Width*c.info.Height }

// keyBefore is the index of the last key frame at or before frame i, 0 if none is marked.
func (c *clip) keyBefore(i int) int {
	for ; i > 0; i-- {
		if c.packets[i].key {
			return i
		}
	}
	return 0
}

// segments cuts the reading of frames where skipping to a key frame is cheaper than decoding what lies between.
func (c *clip) segments(wanted []int) []segment {
	if c.onlyKeys(wanted) && c.keyPassCost() < c.cost(c.exactSegments(wanted), wanted) {
		var out []segment
		for from := 0; from < len(wanted); from += maxTerms {
			out = append(out, segment{from: from, to: min(len(wanted), from+maxTerms), seek: from > 0, keysOnly: true})
		}
		return out
	}
	return c.exactSegments(wanted)
}

func (c *clip) exactSegments(wanted []int) []segment {
	worth := startCost/c.frameCost() + 1 // frames
	var out []segment
	reached := -1 // the last frame that is decoded anyway
	for i, w := range wanted {
		saved := 0
		if c.seekable {
			saved = c.keyBefore(w) - reached - 1
		}
		last := len(out) - 1
		switch {
		case last < 0, saved > worth:
			out = append(out, segment{from: i, to: i + 1, seek: saved > 0})
		case out[last].to-out[last].from == maxTerms:
			out = append(out, segment{from: i, to: i + 1, seek: c.seekable})
		default:
			out[last].to = i + 1
		}
		reached = w
	}
	return out
}

// cost of decoding segments, in pixels.
func (c *clip) cost(segments []segment, wanted []int) int {
	total := 0
	for _, s := range segments {
		first := 0
		if s.seek {
			first = c.keyBefore(wanted[s.from])
		}
		total += startCost + (wanted[s.to-1]-first+1)*c.frameCost()
	}
	return total
}

// keyPassCost is the cost of decoding all key frames; what lies between is read, though not decoded.
func (c *clip) keyPassCost() int {
	keys := 0
	for i := range c.packets {
		if c.packets[i].key {
			keys++
		}
	}
	return startCost + keys*c.frameCost() + len(c.packets)*1000
}

func (c *clip) onlyKeys(wanted []int) bool {
	for _, w := range wanted {
		if !c.packets[w].key {
			return false
		}
	}
	return c.seekable
}

// Reach implements Source.
func (c *clip) Reach(wanted []int) []int {
	if !c.seekable || len(wanted) < 2 {
		return wanted
	}
	cost := c.cost(c.exactSegments(wanted), wanted)
	if cost <= exactCost {
		return wanted
	}
	far := (wanted[len(wanted)-1]-wanted[0])/(len(wanted)-1) + 1
	if float64(cost)/perSecond > c.tool.o.DecodeTimeout.Seconds() {
		far = max(far, int(keyShift*c.info.FPS))
	}
	out := make([]int, len(wanted))
	end := c.keyBefore(len(c.packets) - 1)
	for i, w := range wanted {
		k, most := c.nearestKey(w), far
		if w > end {
			most *= 2 // none follows
		}
		if k < w-most || k > w+most {
			return wanted
		}
		out[i] = k
	}
	return out
}

func (c *clip) nearestKey(w int) int {
	before := c.keyBefore(w)
	for after := w; after < len(c.packets) && after-w < w-before; after++ {
		if c.packets[after].key {
			return after
		}
	}
	return before
}
