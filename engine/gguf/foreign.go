package gguf

// ForeignError is a file of Qwen3-VL as Ollama keeps it: language model and vision tower in one file, under names that
// llama.cpp does not know.
type ForeignError struct {
	// Layers and Width of the language model tell which size it is.
	Layers, Width int64
}

// Error implements error.
func (e *ForeignError) Error() string {
	return "is Ollama's own conversion, model and projector in one file, which llama.cpp cannot load: " +
		"a llama.cpp conversion with a separate projector is needed"
}

// CheckKind says of a file that Parse has read whether it is one that this engine has no use for, whatever its weights:
// a *ForeignError.
func (f *File) CheckKind() error {
	arch, _ := f.Text(keyArchitecture)
	return f.foreign(arch)
}

// foreign tells Ollama's conversions by what Ollama itself tells them by: the sections of positions under another key.
func (f *File) foreign(arch string) error {
	a := arch + "."
	if !visionArchitecture(arch) || f.keys[a+"rope.dimension_sections"] != nil {
		return nil
	}
	if f.keys[a+"mrope_sections"] == nil && f.keys[a+"rope.mrope_section"] == nil && f.keys[a+"vision.block_count"] == nil {
		return nil
	}
	e := &ForeignError{}
	e.Layers, _ = f.Integer(a + "block_count")
	e.Width, _ = f.Integer(a + "embedding_length")
	return e
}
