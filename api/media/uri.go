package media

import (
	"encoding/base64"

	"github.com/qwenvld/qwenvld/api/fault"
)

// URIs are the files of each video as data URIs: one for a video, those of its frames for a list of them.
func (v *Videos) URIs() ([][]string, error) {
	out := make([][]string, len(v.all()))
	for i, in := range v.all() {
		var err error
		if out[i], err = in.uris(); err != nil {
			return nil, fault.Video(in.ref.Path, err)
		}
	}
	return out, nil
}

func (in *openVideo) uris() ([]string, error) {
	urls, format := []string{in.ref.URL}, "video/mp4" // those who read it tell its format by its bytes
	if in.ref.Frames != nil {
		urls, format = urls[:0], "image/png"
		for i := range in.ref.Frames {
			urls = append(urls, in.ref.Frames[i].URL)
		}
	}
	var files [][]byte // read where a URL has not the bytes itself
	for i, url := range urls {
		if schemeOf(url) == schemeData {
			continue
		}
		if files == nil {
			var err error
			if files, err = in.source.Files(); err != nil {
				return nil, err
			}
		}
		urls[i] = "data:" + format + ";base64," + base64.StdEncoding.EncodeToString(files[i])
	}
	return urls, nil
}
