package api

import "slices"

// decodeAnthropic checks a body of POST /v1/messages, or with counting of /v1/messages/count_tokens, and turns it into the chat request
// that it means.
func (r *requestDecoder) decodeAnthropic(body []byte, counting bool) (*chatRequest, error) {
	root, err := r.parse(body)
	if err != nil {
		return nil, err
	}
	d := r.newDecoder()
	d.members(root, anthropicTable())
	d.needs(root, "messages")
	if !counting {
		d.needs(root, "max_tokens")
	}
	if present(root, "thread") != nil {
		d.failThread()
	}
	// What the system says comes first, wherever the member stands.
	if system := present(root, "system"); system != nil && d.err == nil {
		d.systemText(system, "system")
	}
	d.finishAnthropicTools()
	d.finishSampling()
	d.finishForm()
	d.finishPrefill()
	if d.err != nil {
		return nil, d.err
	}
	return d.req, nil
}

// systemText puts a system message before all others.
func (d *decoder) systemText(v *value, path string) {
	m := chatMessage{Role: roleSystem, Path: path}
	if v.kind == kindString {
		m.IsText, m.Text = true, unquote(v.raw)
	} else if d.want(v, path, kindArray) {
		for i := range v.items {
			d.anthropicText(&v.items[i], index(path, i), &m)
		}
	}
	d.req.Messages = slices.Insert(d.req.Messages, 0, m)
}

func (d *decoder) anthropicText(v *value, path string, m *chatMessage) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "type", "text")
	if t := present(v, "type"); t == nil || d.text(t, path+".type") != "text" {
		d.fail(path+".type", codeInvalidValue, "must be text here")
		return
	}
	m.Parts = append(m.Parts, chatPart{Text: d.member(v, path, "text")})
}

// member reads a text that must be there.
func (d *decoder) member(v *value, path, key string) string {
	m := present(v, key)
	if m == nil {
		d.fail(path+"."+key, codeMissing, "%s is required", key)
		return ""
	}
	return d.text(m, path+"."+key)
}

func (d *decoder) anthropicMessages(v *value, path string) {
	if !d.want(v, path, kindArray) {
		return
	}
	if len(v.items) == 0 || len(v.items) > d.limits.Messages {
		d.fail(path, codeInvalidValue, "must have 1 to %d messages", d.limits.Messages)
		return
	}
	for i := range v.items {
		if d.err != nil {
			return
		}
		d.anthropicMessage(&v.items[i], index(path, i))
	}
}
