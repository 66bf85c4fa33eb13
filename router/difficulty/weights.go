package difficulty

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// magic begins a file of weights; the digit is the format's version.
const magic = "qwenvld router 1\n"

// maxHeader bounds the header of a file of weights, in bytes.
const maxHeader = 1 << 20

// Header is what a file of weights says of itself.
type Header struct {
	// Features is the FeatureVersion that the weights are for.
	Features int `json:"features"`
	// Data is the sha256 of the training data, in hexadecimal digits, and Examples their number.
	Data     string `json:"data"`
	Examples int    `json:"examples"`
	// Scale is the worth of one step of a head's weights, Bias its value of no features.
	Scale [Heads]float64 `json:"scale"`
	Bias  [Heads]float64 `json:"bias"`
	// KindScale and KindBias are those of the kinds.
	KindScale float64        `json:"kind_scale"`
	KindBias  [kinds]float64 `json:"kind_bias"`
	// Calibration is applied to each head, Pays to the gain.
	Calibration [Heads]Platt `json:"calibration"`
	Pays        Platt        `json:"pays"`
	// Lambda is the gain that 2^TokensMiddle tokens must bring at quality 5.
	Lambda float64 `json:"lambda"`
	// Note says where the weights come from.
	Note string `json:"note,omitempty"`
	// Version names the weights: the first digits of the file's hash. It is not written.
	Version string `json:"-"`
}

// Columns are trained weights: Heads columns of Buckets and len(Kinds()) columns of KindBuckets.
type Columns struct {
	Weights [Heads][]float32
	Kinds   [kinds][]float32
}

// New quantises columns to 8 bits. It sets the header's scales.
func New(h Header, c *Columns) (*Model, error) {
	m := &Model{Header: h, weights: make([]int8, Buckets*stride), kinds: make([]int8, KindBuckets*kinds)}
	m.Features = FeatureVersion
	for head, column := range c.Weights {
		if len(column) != Buckets {
			return nil, fmt.Errorf("head %d has %d weights, not %d", head, len(column), Buckets)
		}
		m.Scale[head] = step(column)
		for i, w := range column {
			m.weights[i*stride+head] = quantise(w, m.Scale[head])
		}
	}
	for k, column := range c.Kinds {
		if len(column) != KindBuckets {
			return nil, fmt.Errorf("kind %d has %d weights, not %d", k, len(column), KindBuckets)
		}
		m.KindScale = max(m.KindScale, step(column))
	}
	for k, column := range c.Kinds {
		for i, w := range column {
			m.kinds[i*kinds+k] = quantise(w, m.KindScale)
		}
	}
	data, err := m.MarshalBinary()
	if err != nil {
		return nil, err
	}
	m.Version = version(data)
	return m, nil
}

// Columns are the weights as numbers, to go on training from.
func (m *Model) Columns() *Columns {
	c := &Columns{}
	for h := range c.Weights {
		c.Weights[h] = make([]float32, Buckets)
		for i := range c.Weights[h] {
			c.Weights[h][i] = float32(m.Scale[h]) * float32(m.weights[i*stride+h])
		}
	}
	for k := range c.Kinds {
		c.Kinds[k] = make([]float32, KindBuckets)
		for i := range c.Kinds[k] {
			c.Kinds[k][i] = float32(m.KindScale) * float32(m.kinds[i*kinds+k])
		}
	}
	return c
}

// step is the worth of one of 127 steps up to the largest weight.
func step(column []float32) float64 {
	var largest float64
	for _, w := range column {
		largest = max(largest, math.Abs(float64(w)))
	}
	if largest == 0 {
		return 1
	}
	return largest / math.MaxInt8
}

func quantise(w float32, scale float64) int8 { return int8(math.RoundToEven(float64(w) / scale)) }

func version(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])[:12]
}

// With returns a model of the same weights under another header, as after a calibration.
func (m *Model) With(h Header) (*Model, error) {
	out := &Model{Header: h, weights: m.weights, kinds: m.kinds}
	data, err := out.MarshalBinary()
	if err != nil {
		return nil, err
	}
	out.Version = version(data)
	return out, nil
}

// MarshalBinary gives the file of weights. The same weights give the same bytes.
func (m *Model) MarshalBinary() ([]byte, error) {
	header, err := json.Marshal(&m.Header)
	if err != nil {
		return nil, fmt.Errorf("encode the header: %w", err)
	}
	out := bytes.NewBufferString(magic)
	_ = binary.Write(out, binary.LittleEndian, uint32(len(header))) // a buffer does not fail
	out.Write(header)
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	for _, table := range [][]int8{m.weights, m.kinds} {
		if err := binary.Write(z, binary.LittleEndian, table); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return out.Bytes(), nil
}

// Load reads a file of weights. It fails for weights of other features.
func Load(file []byte) (*Model, error) {
	rest, ok := bytes.CutPrefix(file, []byte(magic))
	if !ok || len(rest) < 4 {
		return nil, errors.New("router weights: not a file of weights, or of another version")
	}
	n := binary.LittleEndian.Uint32(rest)
	if rest = rest[4:]; n > maxHeader || int(n) > len(rest) {
		return nil, errors.New("router weights: the header is cut off")
	}
	m := &Model{Header: Header{Version: version(file)}, weights: make([]int8, Buckets*stride), kinds: make([]int8, KindBuckets*kinds)}
	if err := json.Unmarshal(rest[:n], &m.Header); err != nil {
		return nil, fmt.Errorf("router weights: header: %w", err)
	}
	if m.Features != FeatureVersion {
		return nil, fmt.Errorf("router weights: they are for features of version %d, this program has %d: train them again",
			m.Features, FeatureVersion)
	}
	z, err := gzip.NewReader(bytes.NewReader(rest[n:]))
	if err != nil {
		return nil, fmt.Errorf("router weights: %w", err)
	}
	for _, table := range [][]int8{m.weights, m.kinds} {
		if err := binary.Read(z, binary.LittleEndian, table); err != nil {
			return nil, fmt.Errorf("router weights: %w", err)
		}
	}
	// One byte more would be another format; reading to the end also checks the sum.
	if n, err := io.Copy(io.Discard, io.LimitReader(z, 1)); n != 0 || err != nil {
		return nil, fmt.Errorf("router weights: bytes are left or damaged (%w)", errors.Join(err))
	}
	return m, m.check()
}

// check refuses a header whose numbers would make every score one.
func (m *Model) check() error {
	numbers := []float64{m.KindScale, m.Pays.A, m.Pays.B, m.Lambda}
	for h := range Heads {
		numbers = append(numbers, m.Scale[h], m.Bias[h], m.Calibration[h].A, m.Calibration[h].B)
	}
	for _, x := range numbers {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return errors.New("router weights: the header holds numbers that are none")
		}
	}
	if m.Pays.A <= 0 || m.Lambda < 0 {
		return errors.New("router weights: a larger gain must score higher and tokens must not have a negative price")
	}
	return nil
}
