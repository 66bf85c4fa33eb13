package worker

import (
	"errors"
	"fmt"
	"runtime"
)

// Config is what a worker loads and how large it makes its caches. The daemon passes it as JSON.
type Config struct {
	// Model and Projector are GGUF files; Projector is empty for a text model.
	Model     string `json:"model"`
	Projector string `json:"projector,omitempty"`
	// ContextSize is the tokens of one request, prompt and completion; 0 means the trained context, at most 16,384.
	ContextSize int `json:"context_size,omitempty"`
	// CacheTokens is the KV cache that all requests share; 0 means twice ContextSize.
	CacheTokens int `json:"cache_tokens,omitempty"`
	// CacheType is the KV cache's number format: f16 (the default), q8_0 or f32.
	CacheType string `json:"cache_type,omitempty"`
	// MaxSequences decode together (8); MaxQueue more may wait (64).
	MaxSequences int `json:"max_sequences,omitempty"`
	MaxQueue     int `json:"max_queue,omitempty"`
	// BatchSize bounds the rows of one step (512), PrefillChunk the prompt rows of a step that also decodes (as many).
	// How many there are within that follows from what they were seen to cost.
	BatchSize    int `json:"batch_size,omitempty"`
	PrefillChunk int `json:"prefill_chunk,omitempty"`
	// Threads of computation at most; 0 means one a processor. Decoding takes fewer where these are faster.
	Threads int `json:"threads,omitempty"`
	// Backends are the folders of ggml's backends for cards (llama.OpenDevices).
	Backends []string `json:"backends,omitempty"`
	// Devices are ggml's names of the cards that take GPULayers layers, the last ones; negative means all. Without
	// devices, the processors compute all of them.
	Devices   []string `json:"devices,omitempty"`
	GPULayers int      `json:"gpu_layers,omitempty"`
	// TowerDevice is the card that pictures are encoded on; empty is the processors.
	TowerDevice string `json:"tower_device,omitempty"`
	// ImageMemory bounds the working memory of encoding one image, in bytes; 0 means 4 GiB.
	ImageMemory int64 `json:"image_memory,omitempty"`
	// VisionCache bounds the rows kept of pictures encoded before, in bytes; 0 means 512 MiB, less keeps none.
	VisionCache int64 `json:"vision_cache,omitempty"`
	// RowFolder is where rows of pictures are shared with workers of equal towers; empty shares none. RowFolderBytes
	// bound it; RowFolderLasts says that they are of use to workers to come.
	RowFolder      string `json:"row_folder,omitempty"`
	RowFolderBytes int64  `json:"row_folder_bytes,omitempty"`
	RowFolderLasts bool   `json:"row_folder_lasts,omitempty"`
	// PrefixCache bounds the cells of CacheTokens that keep computed rows for prompts that begin with them, while
	// nobody uses them; 0 means half of CacheTokens, or a quarter with a GPU, where a step costs more the fuller the
	// cache. Less shares nothing.
	PrefixCache int `json:"prefix_cache,omitempty"`
	// Speculation bounds the tokens of an answer that are guessed and computed ahead in a step; 0 leaves it to what
	// they are seen to cost, less guesses none.
	Speculation int `json:"speculation,omitempty"`
}

const defaultContext = 16384

// defaultSpeculation is up to how many guesses more of them may pay on any device.
const defaultSpeculation = 15

// onCards says whether a card computes any layer.
func (c *Config) onCards() bool { return c.GPULayers != 0 && len(c.Devices) > 0 }

// WithDefaults fills in what depends on the model's trained context.
func (c Config) WithDefaults(trained int) (Config, error) {
	fill := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	fill(&c.ContextSize, min(trained, defaultContext))
	if c.ContextSize > trained {
		return c, fmt.Errorf("context_size is %d, the model was trained for %d", c.ContextSize, trained)
	}
	fill(&c.CacheTokens, 2*c.ContextSize)
	if c.CacheTokens < c.ContextSize {
		return c, fmt.Errorf("cache_tokens is %d, one request may need context_size, %d", c.CacheTokens, c.ContextSize)
	}
	fill(&c.MaxSequences, 8)
	fill(&c.MaxQueue, 64)
	fill(&c.BatchSize, 512)
	fill(&c.PrefillChunk, c.BatchSize)
	fill(&c.Threads, runtime.NumCPU())
	fill(&c.Speculation, defaultSpeculation)
	if c.ImageMemory == 0 {
		c.ImageMemory = 4 << 30
	}
	if c.VisionCache == 0 {
		c.VisionCache = 512 << 20
	}
	for _, n := range []int{c.ContextSize, c.MaxSequences, c.MaxQueue, c.BatchSize, c.PrefillChunk, c.Threads} {
		if n < 0 {
			return c, errors.New("sizes must not be negative")
		}
	}
	if c.MaxSequences > c.BatchSize {
		return c, fmt.Errorf("batch_size is %d, max_sequences %d need a row each", c.BatchSize, c.MaxSequences)
	}
	return c, nil
}
