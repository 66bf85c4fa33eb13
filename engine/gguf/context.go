package gguf

// TrainedContext is how many tokens a language model was trained to read at once, 0 where the file does not say.
func (f *File) TrainedContext() int {
	arch, _ := f.Text(keyArchitecture)
	n, _ := f.Integer(arch + ".context_length")
	return int(n)
}

// Experts is how many experts a layer has, 0 where the file has no mixture of them.
func (f *File) Experts() int {
	arch, _ := f.Text(keyArchitecture)
	n, _ := f.Uint32(arch + ".expert_count")
	return int(n)
}
