package client

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Message is one turn. Content is a string or a list of parts.
type Message struct {
	Role    string `json:"role"`
	Content any    `json:"content"`
}

// Part is a part of a turn: a text, an image or a video.
type Part struct {
	Type  string `json:"type"`
	Text  string `json:"text,omitempty"`
	Image *media `json:"image_url,omitempty"`
	Video *media `json:"video_url,omitempty"`
}

// media is where a picture or a video is: a data URI or a URL.
type media struct {
	URL string `json:"url"`
}

// Kind is what a file shows.
type Kind string

// Kinds of files.
const (
	Image Kind = "image"
	Video Kind = "video"
)

// UserTurn is what the user says about parts, which come first.
func UserTurn(text string, parts ...Part) Message {
	if len(parts) == 0 {
		return Message{Role: "user", Content: text}
	}
	return Message{Role: "user", Content: append(append([]Part(nil), parts...), Part{Type: "text", Text: text})}
}

// maxFile bounds a file that is sent, in bytes.
const maxFile = 1 << 30

// File is a part that shows a file of this machine, which travels within the request, or what lies at an http(s) URL,
// which the daemon fetches.
func File(kind Kind, name string) (Part, error) {
	address := name
	if !strings.HasPrefix(name, "http://") && !strings.HasPrefix(name, "https://") && !strings.HasPrefix(name, "data:") {
		var err error
		if address, err = dataURI(kind, name); err != nil {
			return Part{}, err
		}
	}
	if kind == Video {
		return Part{Type: "video_url", Video: &media{address}}, nil
	}
	return Part{Type: "image_url", Image: &media{address}}, nil
}

func dataURI(kind Kind, name string) (string, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "", fmt.Errorf("the %s cannot be read: %w", kind, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("the %s %s is no file", kind, name)
	case info.Size() == 0:
		return "", fmt.Errorf("the %s %s is empty", kind, name)
	}
	file, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return "", fmt.Errorf("the %s cannot be read: %w", kind, err)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("the %s cannot be read: %w", kind, err)
	}
	if len(data) > maxFile {
		return "", fmt.Errorf("the %s %s is larger than %d bytes", kind, name, maxFile)
	}
	return "data:" + mediaType(kind, name, data) + ";base64," + base64.StdEncoding.EncodeToString(data), nil
}

// mediaType is what the file looks like, else what its name says, else just an image or a video: the daemon looks for
// itself.
func mediaType(kind Kind, name string, data []byte) string {
	for _, t := range []string{http.DetectContentType(data), mime.TypeByExtension(strings.ToLower(filepath.Ext(name)))} {
		t, _, _ = strings.Cut(t, ";")
		if strings.HasPrefix(t, string(kind)+"/") || t == "image/gif" {
			return t
		}
	}
	return map[Kind]string{Image: "image/png", Video: "video/mp4"}[kind]
}
