package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// bom is a document of CycloneDX 1.6, as far as it is used. It carries no time, so that the same parts give the same
// bytes.
type bom struct {
	Schema       string         `json:"$schema"`
	Format       string         `json:"bomFormat"`
	SpecVersion  string         `json:"specVersion"`
	SerialNumber string         `json:"serialNumber"`
	Version      int            `json:"version"`
	Metadata     bomMetadata    `json:"metadata"`
	Components   []bomComponent `json:"components"`
}

// bomMetadata says what the document is about.
type bomMetadata struct {
	Component bomComponent `json:"component"`
}

// bomComponent is a component in the document.
type bomComponent struct {
	Type       string         `json:"type"`
	Ref        string         `json:"bom-ref"`
	Name       string         `json:"name"`
	Version    string         `json:"version,omitempty"`
	PURL       string         `json:"purl,omitempty"`
	Licences   []bomLicence   `json:"licenses,omitempty"`
	Components []bomComponent `json:"components,omitempty"`
}

// bomLicence has an identifier of SPDX or a name.
type bomLicence struct {
	License struct {
		ID   string `json:"id,omitempty"`
		Name string `json:"name,omitempty"`
	} `json:"license"`
}

// cycloneDX is the document of an image.
func cycloneDX(version string, all []component) bom {
	own := component{kind: "container", name: "qwenvld", version: version, licences: []string{"MIT"}, purl: "pkg:golang/github.com/qwenvld/qwenvld@" + version}
	out := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: bomMetadata{Component: bomOf(own)}, Components: []bomComponent{},
	}
	for _, c := range all {
		out.Components = append(out.Components, bomOf(c))
	}
	out.SerialNumber = serial(out)
	return out
}

func bomOf(c component) bomComponent {
	out := bomComponent{Type: c.kind, Ref: c.purl, Name: c.name, Version: c.version, PURL: c.purl}
	for _, name := range c.licences {
		var l bomLicence
		if spdx[name] {
			l.License.ID = name
		} else {
			l.License.Name = name
		}
		out.Licences = append(out.Licences, l)
	}
	for _, p := range c.parts {
		out.Components = append(out.Components, bomOf(p))
	}
	return out
}

// spdx are the identifiers that the schema takes for such; other names are told as names.
var spdx = map[string]bool{
	"0BSD": true, "Apache-2.0": true, "BSD-2-Clause": true, "BSD-3-Clause": true, "ISC": true, "LGPL-2.1-or-later": true, "MIT": true,
	"MIT-0": true, "MPL-2.0": true, "Unlicense": true, "Zlib": true,
}

// serial is a UUID that the content determines.
func serial(b bom) string {
	data, err := json.Marshal(b)
	if err != nil { // strings and numbers only
		panic(err)
	}
	h := sha256.Sum256(data)
	h[6] = h[6]&0x0f | 0x80 // version 8: of the maker's own
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
