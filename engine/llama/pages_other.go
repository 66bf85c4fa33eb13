//go:build !linux

package llama

// releasePages does nothing here: the system takes the pages of mapped files back by itself when it needs them.
func releasePages(string) int64 { return 0 }
