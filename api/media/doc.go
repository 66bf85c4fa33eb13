// Package media turns the URLs and data URIs of a request into what the vision tower takes: images as resized pixels,
// videos as frame pairs whose pixels follow while the engine works. It keeps both within what the operator allows and
// what the model's context holds, and names the member of the request that is at fault where something does not.
//
// It must not know prompts, templates, routing or HTTP: whoever renders the prompt counts its text for Videos.Fit. It
// decodes nothing by itself, which multimodal and multimodal/video do.
package media
