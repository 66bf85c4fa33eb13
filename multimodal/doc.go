// Package multimodal turns media from outside into what Qwen3-VL's vision tower takes: it fetches and decodes images,
// chooses their size as the model's own preprocessor does, resamples them bit for bit like Pillow, and counts tokens
// and positions.
//
// It does not know of models, prompts or HTTP handlers. It must not trust a byte that it is given: every limit is
// checked before memory is spent, and every address before it is dialled.
package multimodal
