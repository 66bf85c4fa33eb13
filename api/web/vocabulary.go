package web

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// vocabulary are the names of the API's description. What a client writes where a name belongs is logged only if it is
// one of them.
type vocabulary map[string]struct{}

// newVocabulary takes in the words before a colon that ends its line or has a space behind it.
func newVocabulary(description []byte) vocabulary {
	const word = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789-"
	v := vocabulary{}
	for before, rest, found := bytes.Cut(description, []byte(":")); found; before, rest, found = bytes.Cut(rest, []byte(":")) {
		if len(rest) > 0 && strings.IndexByte(" \t\n\f\r", rest[0]) < 0 {
			continue
		}
		name := bytes.TrimLeft(before[len(bytes.TrimRight(before, word)):], "0123456789-")
		if len(name) > 0 {
			v[string(name)] = struct{}{}
		}
	}
	return v
}

// path is a field's path with every name that is not known left out: members of schemas, of objects that are taken as
// they are, and such as do not exist are the client's own words.
func (v vocabulary) path(p string) string {
	var out strings.Builder
	for len(p) > 0 {
		end := strings.IndexAny(p, ".[]")
		if end < 0 {
			end = len(p)
		}
		if name := p[:end]; name != "" {
			if _, known := v[name]; !known && strings.Trim(name, "0123456789") != "" {
				name = "…"
			}
			out.WriteString(name)
		}
		if end < len(p) {
			out.WriteByte(p[end])
			end++
		}
		p = p[end:]
	}
	return out.String()
}

// methodWord is a method as it is logged: clients may send any word for one.
func methodWord(method string) string {
	known := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
	if slices.Contains(known, method) {
		return method
	}
	return "other"
}
