// Package tokenizer turns text into tokens as Hugging Face's tokenizers library does with Qwen2's vocabularies:
// canonical composition, splitting into words, byte-level pair encoding. Its cost is linear in the text, and it stops
// when told to.
//
// It must not reach C, read files or know of requests, and text from outside never yields a special token.
package tokenizer
