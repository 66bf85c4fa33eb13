package config

import (
	"reflect"
)

// Changes are the keys whose values differ between two configurations: those that can change while the daemon serves,
// whose field, or one that it is part of, has a tag live, and those that cannot. The tag live:"no" makes an exception.
func Changes(before, after *Config) (live, fixed []string) {
	compare(reflect.ValueOf(*before), reflect.ValueOf(*after), "", false, &live, &fixed)
	return live, fixed
}

const notLive = "no"

func compare(a, b reflect.Value, key string, isLive bool, live, fixed *[]string) {
	for i, name := range names(a.Type()) {
		at := join(key, name)
		tag, tagged := a.Type().Field(i).Tag.Lookup("live")
		isLive := (isLive || tagged) && tag != notLive
		switch x, y := a.Field(i), b.Field(i); {
		case x.Kind() == reflect.Struct:
			compare(x, y, at, isLive, live, fixed)
		case same(x, y):
		case isLive:
			*live = append(*live, at)
		default:
			*fixed = append(*fixed, at)
		}
	}
}

// same says whether two values are equal; an empty list is as good as none.
func same(x, y reflect.Value) bool {
	if x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(x.Interface(), y.Interface())
}
