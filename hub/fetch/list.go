package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/hub"
)

// Listing is what a repository holds in one commit.
type Listing struct {
	// Commit pins the files: all of a model come from one.
	Commit string
	Files  []hub.File
}

const (
	maxListing = 32 << 20 // bytes of a reply
	maxPages   = 100
	// listTries are fewer than those of a download, which has something to lose: somebody waits to learn that the hub
	// cannot be reached.
	listTries = 4
)

var (
	commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)
	hashName   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// List asks what the source holds now. Only files that have a sha256 are listed, as all large ones do.
func (c *Client) List(ctx context.Context, s hub.Source, note func(string)) (*Listing, error) {
	list := c.listHuggingFace
	if s.Host == hub.ModelScope {
		list = c.listModelScope
	}
	var l *Listing
	err := c.persist(ctx, min(c.o.Tries, listTries), note, func() (_ bool, err error) {
		l, err = list(ctx, s)
		return false, err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return l, nil
}

// ask decodes the JSON at address into reply, and returns the address of the next page, if there is one.
func (c *Client) ask(ctx context.Context, host hub.Host, address string, reply any) (next string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*c.o.Stall, errStalled)
	defer cancel()
	resp, err := c.get(ctx, host, address, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxListing)).Decode(reply); err != nil {
		return "", fmt.Errorf("%s sends no JSON that can be read: %w", resp.Request.URL.Host, err)
	}
	return nextPage(resp)
}

var nextLink = regexp.MustCompile(`<([^>]*)>\s*;\s*rel="?next"?`)

// nextPage reads the header Link. A page elsewhere is refused: the token would go there.
func nextPage(resp *http.Response) (string, error) {
	m := nextLink.FindStringSubmatch(strings.Join(resp.Header.Values("Link"), ","))
	if m == nil {
		return "", nil
	}
	here := resp.Request.URL
	next, err := here.Parse(m[1])
	if err != nil || next.Host != here.Host || next.Scheme != here.Scheme {
		return "", &finalError{fmt.Errorf("%s continues its list at %q", here.Host, m[1])}
	}
	return next.String(), nil
}

func (c *Client) listHuggingFace(ctx context.Context, s hub.Source) (*Listing, error) {
	base := c.o.HuggingFace + "/api/models/" + s.Repo
	var info struct {
		SHA string `json:"sha"`
	}
	if _, err := c.ask(ctx, s.Host, base+"/revision/"+url.PathEscape(s.Revision), &info); err != nil {
		return nil, err
	}
	if !commitName.MatchString(info.SHA) {
		return nil, fmt.Errorf("the hub names %q as the commit of %s", info.SHA, s.Revision)
	}
	l := &Listing{Commit: info.SHA}
	next := base + "/tree/" + info.SHA + "?recursive=true"
	for range maxPages {
		var entries []struct {
			Type string `json:"type"`
			Path string `json:"path"`
			LFS  *struct {
				OID  string `json:"oid"`
				Size int64  `json:"size"`
			} `json:"lfs"`
		}
		following, err := c.ask(ctx, s.Host, next, &entries)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Type == "file" && e.LFS != nil {
				l.add(e.Path, e.LFS.OID, e.LFS.Size)
			}
		}
		if next = following; next == "" {
			return l, nil
		}
	}
	return nil, errors.New("the hub's list does not end")
}

// listModelScope names the snapshot by what it holds, since ModelScope counts commits by file.
func (c *Client) listModelScope(ctx context.Context, s hub.Source) (*Listing, error) {
	var reply struct {
		Data struct {
			Files []struct {
				Path   string `json:"Path"`
				Type   string `json:"Type"`
				Size   int64  `json:"Size"`
				SHA256 string `json:"Sha256"`
			} `json:"Files"`
		} `json:"Data"`
	}
	address := c.o.ModelScope + "/api/v1/models/" + s.Repo + "/repo/files?Recursive=true&Revision=" + url.QueryEscape(s.Revision)
	if _, err := c.ask(ctx, s.Host, address, &reply); err != nil {
		return nil, err
	}
	l := &Listing{}
	for _, f := range reply.Data.Files {
		if f.Type != "tree" {
			l.add(f.Path, strings.ToLower(f.SHA256), f.Size)
		}
	}
	slices.SortFunc(l.Files, func(a, b hub.File) int { return strings.Compare(a.Path, b.Path) })
	sum := sha256.New()
	for _, f := range l.Files {
		fmt.Fprintf(sum, "%s %s\n", f.SHA256, f.Path)
	}
	l.Commit = hex.EncodeToString(sum.Sum(nil))[:40]
	return l, nil
}

// add leaves out what could not be kept or checked.
func (l *Listing) add(path, sum string, size int64) {
	if hashName.MatchString(sum) && size > 0 && fs.ValidPath(path) && !strings.ContainsAny(path, "\\\x00") {
		l.Files = append(l.Files, hub.File{Path: path, Size: size, SHA256: sum})
	}
}
