package constraint

import (
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

func (c *schemaCompiler) reference(schema *jsontree.Value, at string, level int, start, end int32) error {
	if err := c.refuseOthers(schema, at, "$ref"); err != nil {
		return err
	}
	target, path, err := c.resolve(schema.Get("$ref"), step(at, "$ref"))
	if err != nil {
		return err
	}
	rule, err := c.schema(target, path, level+1)
	if err != nil {
		return err
	}
	c.join(c.call(start, rule), end)
	return nil
}

func (c *schemaCompiler) resolve(ref *jsontree.Value, at string) (*jsontree.Value, string, error) {
	s, ok := ref.Text()
	path, local := strings.CutPrefix(s, "#")
	if !ok || !local || path != "" && path[0] != '/' {
		return nil, "", refuse(at, "only references inside the schema (#/$defs/...) are followed")
	}
	schema := c.root
	for _, name := range strings.Split(path, "/")[1:] {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		next := schema.Get(name)
		if next == nil && schema.Kind == jsontree.Array {
			for i := range schema.Items {
				if strconv.Itoa(i) == name {
					next = &schema.Items[i]
				}
			}
		}
		if next == nil {
			return nil, "", refuse(at, "%q leads nowhere", s)
		}
		schema = next
	}
	if next := schema.Get("$ref"); next != nil && next.IsText(s) {
		return nil, "", refuse(at, "%q refers to itself", s)
	}
	return schema, path, nil
}
