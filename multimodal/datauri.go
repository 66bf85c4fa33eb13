package multimodal

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// ParseDataURI returns the bytes and the media type of a data: URI (RFC 2397). Base64 may use either alphabet, lack its
// padding and contain line breaks. More than maxBytes is refused before anything is decoded.
func ParseDataURI(uri string, maxBytes int) (data []byte, mediaType string, err error) {
	head, payload, found := strings.Cut(uri, ",")
	const scheme = "data:"
	if !found || len(head) < len(scheme) || !strings.EqualFold(head[:len(scheme)], scheme) {
		return nil, "", fault(KindURL, nil, "This is not a data: URI of the form data:<media type>;base64,<data>.")
	}
	mediaType, params, _ := strings.Cut(head[len(scheme):], ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	if !isBase64(params) {
		return percentDecoded(payload, mediaType, maxBytes)
	}
	if len(payload)/8*5 > maxBytes+16 { // even with a line break after every few characters
		return nil, "", tooManyBytes(maxBytes)
	}
	payload = plainBase64(payload)
	if strings.Contains(payload, "%") {
		// Some clients percent-encode the +, / and = of base64.
		if payload, err = url.PathUnescape(payload); err != nil {
			return nil, "", fault(KindURL, err, "The data: URI is not valid base64.")
		}
		payload = strings.TrimRight(payload, "=")
	}
	if base64.RawStdEncoding.DecodedLen(len(payload)) > maxBytes {
		return nil, "", tooManyBytes(maxBytes)
	}
	data, err = base64.RawStdEncoding.DecodeString(payload)
	if err != nil {
		return nil, "", fault(KindURL, err, "The data: URI is not valid base64.")
	}
	return notEmpty(data, mediaType)
}

// plainBase64 is a payload in the alphabet of RFC 4648, section 4, without padding and line breaks.
func plainBase64(payload string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\r', '\t', ' ', '=':
			return -1
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, payload)
}

// DataURIHead returns about the first n bytes of a data: URI in base64, fewer where it has no more, and none of other
// URIs or of what is no base64. It costs no more than so many bytes do.
func DataURIHead(uri string, n int) []byte {
	const longestHead = 256
	comma := strings.IndexByte(uri[:min(len(uri), longestHead)], ',')
	if comma < 0 {
		return nil
	}
	scheme, params, _ := strings.Cut(uri[:comma], ";")
	const data = "data:"
	if len(scheme) < len(data) || !strings.EqualFold(scheme[:len(data)], data) || !isBase64(params) {
		return nil
	}
	payload := uri[comma+1:]
	payload = plainBase64(payload[:min(len(payload), base64.StdEncoding.EncodedLen(n))])
	const group = 4
	out, err := base64.RawStdEncoding.DecodeString(payload[:len(payload)/group*group])
	if err != nil {
		return nil
	}
	return out
}

func isBase64(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		if strings.EqualFold(strings.TrimSpace(p), "base64") {
			return true
		}
	}
	return false
}

func percentDecoded(payload, mediaType string, maxBytes int) ([]byte, string, error) {
	if len(payload) > 3*maxBytes {
		return nil, "", tooManyBytes(maxBytes)
	}
	text, err := url.PathUnescape(payload)
	if err != nil {
		return nil, "", fault(KindURL, err, "The data: URI is not valid percent-encoding.")
	}
	if len(text) > maxBytes {
		return nil, "", tooManyBytes(maxBytes)
	}
	return notEmpty([]byte(text), mediaType)
}

func notEmpty(data []byte, mediaType string) ([]byte, string, error) {
	if len(data) == 0 {
		return nil, "", fault(KindURL, nil, "The data: URI has no data.")
	}
	return data, mediaType, nil
}

func tooManyBytes(limit int) *Error {
	return fault(KindTooManyBytes, nil, "The file has more than the %d bytes that are allowed.", limit)
}
