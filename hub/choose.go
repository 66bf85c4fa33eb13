package hub

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// File is a file of a repository.
type File struct {
	// Path is its name in the repository, with slashes.
	Path string
	Size int64
	// SHA256 of its content in hexadecimal digits; empty in folders.
	SHA256 string
}

// Choice is what one variant is made of.
type Choice struct {
	Variant Variant
	// Quant is the quantisation of the model in capitals, empty where its name tells none.
	Quant string
	// Model is the model's files in their order: one, or the parts of a split one.
	Model []File
	// Projector is nil where the repository has none.
	Projector *File
}

// Files are all files of the choice.
func (c *Choice) Files() []File {
	files := slices.Clone(c.Model)
	if c.Projector != nil {
		files = append(files, *c.Projector)
	}
	return files
}

var (
	quantName = regexp.MustCompile(`(?i)^(UD-)?(I?Q[1-9]\w*|TQ[12]_0|BF16|F16|FP16|F32|MXFP4\w*)$`)
	quantEnd  = regexp.MustCompile(`(?i)(?:^|[-._])((?:UD-)?(?:I?Q[1-9]\w*|TQ[12]_0|BF16|F16|FP16|F32|MXFP4\w*))$`)
	partEnd   = regexp.MustCompile(`^(.*?)(?:[-.]split)?-(\d{5})-of-(\d{5})$`)
)

// group is the files of one model, which are parts of it.
type group struct {
	variant Variant
	quant   string
	stem    string // the name without quantisation and part
	parts   int    // as the names say
	files   map[int]File
}

// complete says whether no part is missing.
func (g *group) complete() bool { return len(g.files) == g.parts }

// choice is the complete group with its projector.
func (g *group) choice(projectors []File) Choice {
	c := Choice{Variant: g.variant, Quant: g.quant, Projector: pickProjector(projectors, g.variant)}
	for i := range g.parts {
		c.Model = append(c.Model, g.files[i+1])
	}
	return c
}

func (g *group) bytes() int64 {
	var n int64
	for _, f := range g.files {
		n += f.Size
	}
	return n
}

// Choose picks each variant's files out of all that a repository has. variant is what the repository holds, quant the
// quantisation that is wanted; either may be empty. At least one variant is returned, or an error.
func Choose(files []File, variant Variant, quant string) ([]Choice, error) {
	models, projectors := sorted(files, variant)
	if len(models) == 0 {
		return nil, fmt.Errorf("there is no model in the GGUF format among %d files", len(files))
	}
	var out []Choice
	for _, v := range []Variant{Instruct, Thinking} {
		mine := slices.DeleteFunc(slices.Clone(models), func(g *group) bool { return g.variant != v })
		if len(mine) == 0 {
			continue
		}
		g, err := pick(mine, quant)
		if err != nil {
			return nil, err
		}
		out = append(out, g.choice(projectors))
	}
	return out, nil
}

// All are all models whose files are complete, each with the projector that Choose would give it.
func All(files []File, variant Variant) []Choice {
	models, projectors := sorted(files, variant)
	var out []Choice
	for _, g := range models {
		if g.complete() {
			out = append(out, g.choice(projectors))
		}
	}
	return out
}

// sorted groups the files of models, and tells projectors from them. Other files are left out.
func sorted(files []File, variant Variant) (models []*group, projectors []File) {
	for _, f := range files {
		stem, ok := strings.CutSuffix(f.Path, ".gguf")
		switch {
		case !ok:
		case isProjector(f.Path):
			projectors = append(projectors, f)
		default:
			models = add(models, f, stem, variant)
		}
	}
	return models, projectors
}

func isProjector(name string) bool {
	base := strings.ToLower(path.Base(name))
	return strings.Contains(base, "mmproj") || strings.Contains(base, "projector")
}

// add puts f, whose path without ending is stem, into its group.
func add(groups []*group, f File, stem string, variant Variant) []*group {
	part, parts := 1, 1
	if m := partEnd.FindStringSubmatch(stem); m != nil {
		stem = m[1]
		part, _ = strconv.Atoi(m[2])
		parts, _ = strconv.Atoi(m[3])
	}
	if part < 1 || part > parts {
		return groups
	}
	if variant == "" {
		variant = cmp.Or(variantIn(f.Path), Instruct)
	}
	quant := ""
	if m := quantEnd.FindStringSubmatchIndex(stem); m != nil {
		quant, stem = strings.ToUpper(stem[m[2]:m[3]]), stem[:m[0]]
	} else if dir := path.Base(path.Dir(stem)); quantName.MatchString(dir) {
		quant = strings.ToUpper(dir)
	}
	for _, g := range groups {
		if g.variant == variant && g.quant == quant && g.stem == stem && g.parts == parts {
			g.files[part] = f
			return groups
		}
	}
	return append(groups, &group{variant: variant, quant: quant, stem: stem, parts: parts, files: map[int]File{part: f}})
}

// preferred are quantisations to take unasked, the best compromise between size and quality first.
func preferred() []string {
	return []string{presetQuant, "UD-Q4_K_XL", "Q4_K_S", "Q5_K_M", "Q4_0", "Q6_K", "Q8_0", "F16", "BF16"}
}

func pick(groups []*group, quant string) (*group, error) {
	if quant != "" {
		fitting := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return g.quant != quant })
		if len(fitting) == 0 {
			return nil, fmt.Errorf("there is no quantisation %s: there are %s", quant, quants(groups))
		}
		groups = fitting
	} else {
		slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(rank(a.quant), rank(b.quant)) })
		best := groups[0].quant
		groups = slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return g.quant != best })
	}
	whole := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return !g.complete() })
	switch len(whole) {
	case 0:
		g := groups[0]
		return nil, fmt.Errorf("%s has %d of %d parts", g.stem, len(g.files), g.parts)
	case 1:
		return whole[0], nil
	}
	var stems []string
	for _, g := range whole {
		stems = append(stems, g.stem)
	}
	return nil, fmt.Errorf("several models have this quantisation: %s", strings.Join(stems, ", "))
}

func rank(quant string) int {
	if i := slices.Index(preferred(), quant); i >= 0 {
		return i
	}
	return len(preferred())
}

// quants lists what there is, the smallest first.
func quants(groups []*group) string {
	groups = slices.Clone(groups)
	slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(a.bytes(), b.bytes()) })
	var out []string
	for _, g := range groups {
		if g.quant != "" && !slices.Contains(out, g.quant) {
			out = append(out, g.quant)
		}
	}
	if len(out) == 0 {
		return "files whose names tell none"
	}
	return strings.Join(out, ", ")
}

// pickProjector takes one of the variant's own, in half precision if there is such.
func pickProjector(projectors []File, v Variant) *File {
	var best *File
	score := func(f *File) int {
		quality := slices.Index([]string{"", "Q8_0", "F32", "BF16", "F16"}, quantOf(f.Path))
		if variantIn(path.Base(f.Path)) == v {
			quality += 10
		}
		return quality
	}
	for i := range projectors {
		f := &projectors[i]
		if in := variantIn(path.Base(f.Path)); in != "" && in != v {
			continue
		}
		if best == nil || score(f) > score(best) {
			best = f
		}
	}
	return best
}

// quantOf is the quantisation in a name, "" where it tells none.
func quantOf(name string) string {
	stem := strings.TrimSuffix(name, ".gguf")
	if m := quantEnd.FindStringSubmatch(stem); m != nil {
		return strings.ToUpper(m[1])
	}
	// Some repositories put it in front: F16-mmproj.gguf.
	if front, _, ok := strings.Cut(path.Base(stem), "-mmproj"); ok && quantName.MatchString(front) {
		return strings.ToUpper(front)
	}
	return ""
}
