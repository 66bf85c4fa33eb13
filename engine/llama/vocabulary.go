package llama

// #include "llama.h"
import "C"

// IsEOG reports whether the token ends a generation.
func (m *Model) IsEOG(t Token) bool { return bool(C.llama_vocab_is_eog(m.vocab, C.llama_token(t))) }
