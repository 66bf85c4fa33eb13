package cache

import "path/filepath"

// Place is where Hugging Face's tools keep their cache, by the variables of the environment and the user's home.
func Place(variable func(name string) string, home string) string {
	for _, name := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"} {
		if dir := variable(name); dir != "" {
			return expand(dir, home)
		}
	}
	return filepath.Join(Home(variable, home), "hub")
}

// Home is the folder in which Hugging Face's tools keep what is theirs.
func Home(variable func(name string) string, home string) string {
	if dir := variable("HF_HOME"); dir != "" {
		return expand(dir, home)
	}
	if dir := variable("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(expand(dir, home), "huggingface")
	}
	return filepath.Join(home, ".cache", "huggingface")
}

// expand reads a tilde as a shell does, which those tools do too.
func expand(dir, home string) string {
	if dir == "~" || len(dir) > 1 && dir[:2] == "~/" {
		return filepath.Join(home, dir[1:])
	}
	return dir
}
