package config

import "strings"

// Words for Engine.VisionFolder: a folder that goes with the daemon, where two workers may have a use for it, and none.
const (
	FolderAuto = "auto"
	FolderOff  = "off"
)

// Model is a pair of weights behind one name; either may be missing.
type Model struct {
	ID string `mapstructure:"id"`
	// Pull names weights that are fetched where they are not at hand, such as qwen3-vl:8b, in place of Instruct and
	// Thinking.
	Pull     string  `mapstructure:"pull"`
	Instruct Weights `mapstructure:"instruct"`
	Thinking Weights `mapstructure:"thinking"`
	Engine   Engine  `mapstructure:"engine"`
	// Residency says which variants are in memory: ResidentBoth (also where it is empty), ResidentOne or ResidentLazy.
	Residency string `mapstructure:"residency" oneof:"both one lazy"`
	// KeepAlive is how long weights are kept that nobody uses (package keepalive); empty leaves it to IdleTime.
	KeepAlive string `mapstructure:"keep_alive"`
}

// Weights are one variant's: files, or servers of others.
type Weights struct {
	Model     string `mapstructure:"model"`
	Projector string `mapstructure:"projector"`
	// Upstreams are the servers that have the weights, in place of files.
	Upstreams []Upstream `mapstructure:"upstreams"`
}

// Engine sizes each worker of a model. Zero values take the worker's defaults.
type Engine struct {
	ContextSize  int    `mapstructure:"context_size"`                    // tokens of one request
	CacheTokens  int    `mapstructure:"cache_tokens"`                    // KV cache that all requests share
	CacheType    string `mapstructure:"cache_type" oneof:"f16 q8_0 f32"` // empty is f16
	MaxSequences int    `mapstructure:"max_sequences"`                   // requests that decode together
	MaxQueue     int    `mapstructure:"max_queue"`                       // requests that may wait
	BatchSize    int    `mapstructure:"batch_size"`
	PrefillChunk int    `mapstructure:"prefill_chunk"`
	Threads      int    `mapstructure:"threads"`
	Device       string `mapstructure:"device"`       // auto, cpu, or cards such as cuda0,cuda1; empty is auto
	GPULayers    Layers `mapstructure:"gpu_layers"`   // on cards
	TowerDevice  string `mapstructure:"tower_device"` // as Device, of which one card encodes pictures
	ImageMemory  int64  `mapstructure:"image_memory"` // bytes of working memory of encoding one image
	VisionCache  int64  `mapstructure:"vision_cache"` // bytes of rows kept of pictures encoded before; negative: none
	// VisionFolder is where workers share such rows: auto (also where it is empty), off, or a folder that keeps them.
	// VisionFolderBytes bounds it.
	VisionFolder      string `mapstructure:"vision_folder"`
	VisionFolderBytes int64  `mapstructure:"vision_folder_bytes"`
	PrefixCache       int    `mapstructure:"prefix_cache"` // tokens of cache_tokens kept of prompts computed before; negative: none
	// Speculation is off, or how many tokens are guessed ahead.
	Speculation Speculation `mapstructure:"speculation"`
}

func (m *Model) validate(v *validation, key string) {
	if m.ID == "" || m.ID == "auto" || strings.ContainsFunc(m.ID, func(r rune) bool { return r <= ' ' || r == '/' || r > '~' }) {
		v.fault(key+".id", "must be a name of printable ASCII without spaces and slashes, other than auto, not %q", m.ID)
	}
	local := func(w *Weights) bool { return w.Model != "" || w.Projector != "" }
	switch {
	case m.Pull != "" && (local(&m.Instruct) || local(&m.Thinking)):
		v.fault(key+".pull", "stands in place of instruct and thinking: give either")
	case m.Pull == "" && m.Instruct.missing() && m.Thinking.missing():
		v.fault(key, "needs instruct.model or thinking.model, upstreams of either, or pull")
	}
	m.Instruct.validate(v, key+".instruct")
	m.Thinking.validate(v, key+".thinking")
	m.validateResidency(v, key)
	m.Engine.validate(v, key+".engine")
}

func (e *Engine) validate(v *validation, key string) {
	for name, n := range map[string]int64{
		"context_size": int64(e.ContextSize), "cache_tokens": int64(e.CacheTokens), "max_sequences": int64(e.MaxSequences),
		"max_queue": int64(e.MaxQueue), "batch_size": int64(e.BatchSize), "prefill_chunk": int64(e.PrefillChunk),
		"threads": int64(e.Threads), "image_memory": e.ImageMemory, "vision_folder_bytes": e.VisionFolderBytes,
	} {
		v.atLeast(key+"."+name, n, 0)
	}
	if _, err := e.GPULayers.number(); err != nil {
		v.fault(key+".gpu_layers", "%s", err)
	}
	if _, err := e.Speculation.most(); err != nil {
		v.fault(key+".speculation", "%s", err)
	}
}
