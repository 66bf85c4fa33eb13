package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/engine/tokenizer"
	"github.com/qwenvld/qwenvld/engine/worker/compute"
	"github.com/qwenvld/qwenvld/engine/worker/pace"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
	"github.com/qwenvld/qwenvld/engine/worker/rowfolder"
)

var (
	_ compute.Decoder    = (*weights)(nil)
	_ compute.Vocabulary = (*weights)(nil)
)

// weights are a model with its context and projector, as the scheduler sees them.
type weights struct {
	model       *llama.Model
	text        *tokenizer.Tokenizer
	context     *llama.Context
	vision      *llama.Vision // nil for a text model
	tokens      *llama.Batch
	embeddings  *llama.Batch
	config      Config
	pace        *pace.Pace // nil with a GPU, where the processor's threads do little
	decodes     *thread    // runs the scheduler's loop
	encodes     *thread
	endTokens   []int32
	constraints *constraints
	rows        *rowcache.Cache   // of pictures
	shelf       *rowfolder.Folder // of rows that are shared with others, nil without

	tagsMu sync.Mutex
	tags   map[string]*compute.Tag
}

// load loads what c names. progress, if set, is told the stage and how much of it is done.
func load(ctx context.Context, c Config, logger *slog.Logger, progress func(stage string, done float32)) (w *weights, err error) {
	if progress == nil {
		progress = func(string, float32) {}
	}
	w = &weights{decodes: newThread(), encodes: newThread()}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	progress("header", 0)
	file, err := gguf.ReadPair(c.Model, c.Projector)
	if err != nil {
		return w, err
	}
	w.text = file.Tokenizer()
	if len(c.Backends) > 0 {
		progress("devices", 0)
		if _, err := llama.OpenDevices(c.Backends, logger); err != nil {
			logger.Warn("some devices cannot be used", "error", err)
		}
	}
	progress("weights", 0)
	w.model, err = llama.LoadModel(ctx, llama.ModelOptions{
		Path: c.Model, Devices: c.Devices, GPULayers: c.GPULayers, Logger: logger,
		Progress: func(done float32) { progress("weights", done) },
	})
	if err != nil {
		return w, err
	}
	if c, err = c.WithDefaults(w.model.TrainedContext()); err != nil {
		return w, fmt.Errorf("model %q: %w", c.Model, err)
	}
	w.config = c
	if c.Projector != "" {
		progress("projector", 0)
		if err := w.loadVision(ctx, logger, func() { progress("projector", 0) }); err != nil {
			return w, err
		}
	}
	shelf := w.openShelf(ctx, logger)
	defer func() { w.shelf = shelf() }()
	progress("cache", 0)
	w.context, err = llama.NewContext(w.model, llama.ContextOptions{
		ContextSize: c.CacheTokens, BatchSize: c.BatchSize, MaxSequences: c.MaxSequences, Threads: c.Threads, KV: llama.KVType(c.CacheType),
	})
	if err != nil {
		return w, fmt.Errorf("model %q: %w", c.Model, err)
	}
	if !c.onCards() {
		w.pace = pace.New(c.Threads)
	}
	w.tokens = llama.NewTokenBatch(c.BatchSize)
	w.embeddings = llama.NewEmbeddingBatch(c.BatchSize, w.model.InputWidth())
	for t := range int32(w.model.VocabSize()) {
		if w.model.IsEOG(t) && !betweenFiles(w.text.Bytes(t)) {
			w.endTokens = append(w.endTokens, t)
		}
	}
	w.constraints = newConstraints(w.answerTokens)
	w.rows = rowcache.New(max(0, c.VisionCache))
	progress("trial", 0)
	// The first pass reads the weights from the disk.
	defer llama.ReportProgress(w.beats, func() { progress("trial", 0) })()
	return w, w.try(ctx)
}

// parked is how many cells may be parked. On a GPU a step costs more the further back in the cache there are any.
func (w *weights) parked() int {
	switch {
	case w.config.PrefixCache != 0:
		return max(0, w.config.PrefixCache)
	case w.pace == nil:
		return w.config.CacheTokens / 4
	default:
		return w.config.CacheTokens / 2
	}
}

// rowBytes is what the row of an image takes as long as it is kept.
func (w *weights) rowBytes() int64 {
	if w.vision == nil {
		return 0
	}
	return 2 * int64(w.vision.RowWidth())
}

// branches is how many beginnings of prompts can be told apart: each has a sequence number of the library.
func (w *weights) branches() int {
	if w.config.PrefixCache < 0 {
		return 0
	}
	return max(0, llama.SequenceNumbers()-w.config.MaxSequences)
}

// betweenFiles says whether a token stands between the files of a repository. llama.cpp counts these among those that
// end an answer, but the models' own generation configurations do not.
func betweenFiles(text string) bool {
	return slices.Contains([]string{"<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"}, text)
}

// beats grow with whatever is computed.
func (w *weights) beats() uint64 {
	n := w.context.Beats()
	if w.vision != nil {
		n += w.vision.Beats()
	}
	return n
}

// answerTokens are the bytes of all tokens that an answer may be made of: control tokens have none.
func (w *weights) answerTokens() [][]byte {
	special := map[string]bool{}
	for _, text := range w.text.SpecialTokens() {
		special[text] = true
	}
	out := make([][]byte, w.text.Size())
	for t := range out {
		token := int32(t)
		if w.text.IsControl(token) {
			continue
		}
		out[t] = []byte(w.text.Bytes(token))
		if special[string(out[t])] {
			out[t] = append([]byte(constraint.Special), out[t]...)
		}
	}
	return out
}

func (w *weights) loadVision(ctx context.Context, logger *slog.Logger, progress func()) (err error) {
	w.vision, err = llama.LoadVision(ctx, llama.VisionOptions{
		Path: w.config.Projector, Threads: w.config.Threads, Device: w.config.TowerDevice, MemoryLimit: w.config.ImageMemory,
		Progress: progress, Logger: logger,
	})
	if err != nil {
		return err
	}
	return w.vision.Compatible(w.model)
}

func (w *weights) close() {
	w.decodes.close()
	w.encodes.close()
	if w.shelf != nil {
		_ = w.shelf.Close() // what is in it stays
	}
	for _, b := range []*llama.Batch{w.tokens, w.embeddings} {
		if b != nil {
			_ = b.Close()
		}
	}
	if w.context != nil {
		_ = w.context.Close()
	}
	if w.vision != nil {
		_ = w.vision.Close()
	}
	if w.model != nil {
		_ = w.model.Close()
	}
}

func (w *weights) info() engine.Info {
	system := llama.SystemInfo()
	info := engine.Info{
		Name: w.model.Name(), ContextSize: w.config.ContextSize, MaxSequences: w.config.MaxSequences, VocabSize: w.model.VocabSize(),
		ChatTemplate: w.model.ChatTemplate(), SpecialTokens: w.text.SpecialTokens(),
		TokenBytes: w.text.MaxTextBytes(),
		System:     fmt.Sprintf("llama.cpp %s, %v, %v", system.Base, system.Devices, system.Kernels),
	}
	info.Architecture, _ = w.model.Metadata("general.architecture")
	info.Sampling = samplingDefaults(w.model.Metadata)
	if w.vision != nil {
		low, high := w.vision.PixelLimits()
		info.Vision = &engine.VisionInfo{
			PatchSize: w.vision.PatchSize(), MergeSize: w.vision.MergeSize(), MinPixels: low, MaxPixels: high,
		}
	}
	return info
}

// Decode implements compute.Decoder.
func (w *weights) Decode(rows []compute.Row) error {
	b := w.tokens
	if rows[0].Embedding != nil {
		b = w.embeddings
	}
	b.Reset()
	for i := range rows {
		r := &rows[i]
		if r.Embedding != nil {
			b.AddRow(r.Embedding, llama.Position(r.Position), r.Sequence, r.Logits)
		} else {
			b.AddToken(r.Token, r.Position.T, r.Sequence, r.Logits)
		}
	}
	err := w.step(b)
	if errors.Is(err, llama.ErrNoKVSlot) {
		return compute.ErrCacheFull
	}
	return err
}

// step takes as many threads as make it fastest.
func (w *weights) step(b *llama.Batch) error {
	if w.pace == nil {
		return w.context.Decode(b)
	}
	w.context.SetThreads(w.pace.Threads(b.Len()))
	before := time.Now()
	err := w.context.Decode(b)
	if err == nil {
		w.pace.Took(b.Len(), time.Since(before))
	}
	return err
}

// Logits implements compute.Decoder.
func (w *weights) Logits(i int) ([]float32, error) { return w.context.Logits(i) }

// Share implements compute.Decoder.
func (w *weights) Share(from, to, p0, p1 int32) { w.context.CopySequence(from, to, p0, p1) }

// Remove implements compute.Decoder. The library can cut where the scheduler does.
func (w *weights) Remove(sequence, p0, p1 int32) { w.context.RemoveSequence(sequence, p0, p1) }

// Bytes implements compute.Vocabulary: control tokens are never shown.
func (w *weights) Bytes(token int32) []byte {
	if w.text.IsControl(token) {
		return nil
	}
	return []byte(w.text.Bytes(token))
}

// Ends implements compute.Vocabulary.
func (w *weights) Ends(token int32) bool { return slices.Contains(w.endTokens, token) }

// EndTokens implements compute.Vocabulary.
func (w *weights) EndTokens() []int32 { return w.endTokens }
