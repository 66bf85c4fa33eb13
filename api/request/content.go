package request

import (
	"encoding/json"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// CallArguments are a call's arguments as the template shows them: a text as it stands, of which nothing at all means
// none.
func (d *Builder) CallArguments(a *jsonbody.Value, path string) json.RawMessage {
	switch {
	case a == nil, a.Kind == jsonbody.String && strings.TrimSpace(jsonbody.TextOf(a)) == "":
		return json.RawMessage("{}")
	case a.Kind == jsonbody.Object || a.Kind == jsonbody.String:
		return jsonbody.RawCopy(a)
	}
	d.Fail(path, fault.CodeInvalidValue, "must be a string, not %s", a.Kind)
	return nil
}

// CustomInput shows what went into a custom tool of another server the way function calls are shown.
func CustomInput(input string) json.RawMessage {
	return json.RawMessage(`{"input": ` + string(jsonbody.Quote(input)) + `}`)
}

// AnswersCall reports whether an earlier assistant message made the call id.
func (d *Builder) AnswersCall(id string) bool {
	for i := range d.Request.Messages {
		for _, c := range d.Request.Messages[i].ToolCalls {
			if c.ID == id {
				return true
			}
		}
	}
	return false
}

// ImagePart takes {"image_url": {"url", "detail"}} and the flat form {"image_url": "...", "detail"}.
func (d *Builder) ImagePart(v *jsonbody.Value, path string, m *Message) {
	d.Keys(v, path, "type", "image_url", "detail")
	if m.Role == RoleSystem {
		// The reference templates accept it, OpenAI does not, and the model was not trained on it.
		d.Fail(path+".type", fault.CodeUnsupported, "images are allowed in user, assistant and tool messages only")
		return
	}
	u := jsonbody.Present(v, "image_url")
	if u == nil {
		d.Fail(path+".image_url", fault.CodeMissing, "an image part needs an image_url")
		return
	}
	ref := Image{Path: path + ".image_url"}
	detail, detailPath := jsonbody.Present(v, "detail"), path+".detail"
	url := u
	if u.Kind == jsonbody.Object {
		d.Keys(u, ref.Path, "url", "detail")
		if inner := jsonbody.Present(u, "detail"); inner != nil {
			detail, detailPath = inner, ref.Path+".detail"
		}
		ref.Path += ".url"
		if url = jsonbody.Present(u, "url"); url == nil {
			d.Fail(ref.Path, fault.CodeMissing, "an image part needs a url")
			return
		}
	}
	if ref.URL = d.Text(url, ref.Path); ref.URL == "" {
		d.Fail(ref.Path, fault.CodeInvalidValue, "must not be empty")
	}
	if detail != nil {
		ref.Low = d.OneOf(detail, detailPath, "auto", "low", "high", "original") == "low"
	}
	d.AddImage(&ref, m)
}

// AddImage shows an image as the next part of m. Messages may be put into another order later; the part keeps its
// image.
func (d *Builder) AddImage(ref *Image, m *Message) {
	if len(d.Request.Images) == d.limits.Images {
		d.Fail(ref.Path, fault.CodeInvalidValue, "at most %d images per request are allowed", d.limits.Images)
		return
	}
	ref.Index = len(d.Request.Images)
	d.Request.Images = append(d.Request.Images, ref)
	m.Parts = append(m.Parts, Part{Image: ref})
}

// AddVideo is AddImage for a video.
func (d *Builder) AddVideo(ref *Video, m *Message) {
	if len(d.Request.Videos) == d.limits.Videos {
		d.Fail(ref.Path, fault.CodeInvalidValue, "at most %d videos per request are allowed", d.limits.Videos)
		return
	}
	ref.Index = len(d.Request.Videos)
	d.Request.Videos = append(d.Request.Videos, ref)
	m.Parts = append(m.Parts, Part{Video: ref})
}
