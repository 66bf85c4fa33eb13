package prompt

import "errors"

func newJinjaRenderer(string, []string) (Renderer, error) { return nil, errors.New("x") }
