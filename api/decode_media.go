package api

// addImage shows an image as the next part of m. Messages may be put into another order later; the part keeps its image.
func (d *decoder) addImage(ref *imageRef, m *chatMessage) {
	if len(d.req.Images) == d.limits.Images {
		d.fail(ref.Path, codeInvalidValue, "at most %d images per request are allowed", d.limits.Images)
		return
	}
	ref.Index = len(d.req.Images)
	d.req.Images = append(d.req.Images, ref)
	m.Parts = append(m.Parts, chatPart{Image: ref})
}

// addVideo is addImage for a video.
func (d *decoder) addVideo(ref *videoRef, m *chatMessage) {
	if len(d.req.Videos) == d.limits.Videos {
		d.fail(ref.Path, codeInvalidValue, "at most %d videos per request are allowed", d.limits.Videos)
		return
	}
	ref.Index = len(d.req.Videos)
	d.req.Videos = append(d.req.Videos, ref)
	m.Parts = append(m.Parts, chatPart{Video: ref})
}
