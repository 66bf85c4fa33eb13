package jsonbody

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Error says what is wrong with which member of a body.
type Error struct {
	// Path is where the member stands: messages[1].content[0].image_url.url.
	Path string
	// Code is the machine-readable kind of the fault, Message its text for the client.
	Code, Message string
	// Details are for an SDK that acts on them.
	Details any
}

// Error gives the path and the message.
func (e *Error) Error() string { return e.Path + ": " + e.Message }

// Codes of what a reader finds by itself. Callers of Fail may use others.
const (
	InvalidValue = "invalid_value"
	Missing      = "missing_required_parameter"
)

// Reader reads members as the types that they must have, and keeps the first error. Its methods return zero values
// after an error, so that callers need not check each one. The zero value is ready; it is not safe for concurrent use.
type Reader struct{ err *Error }

// Err is the first error, nil while there is none.
func (r *Reader) Err() *Error { return r.err }

// OK says whether no error was met yet.
func (r *Reader) OK() bool { return r.err == nil }

// Fail notes an error unless there is one already.
func (r *Reader) Fail(path, code, format string, args ...any) {
	r.Refuse(&Error{Path: path, Code: code, Message: fmt.Sprintf(format, args...)})
}

// Refuse notes e unless there is an error already.
func (r *Reader) Refuse(e *Error) {
	if r.err == nil {
		r.err = e
	}
}

// Want notes an error unless v is of kind k.
func (r *Reader) Want(v *Value, path string, k Kind) bool {
	if v.Kind == k {
		return true
	}
	r.Fail(path, InvalidValue, "must be %s, not %s", k, v.Kind)
	return false
}

// Text reads a string.
func (r *Reader) Text(v *Value, path string) string {
	if !r.Want(v, path, String) {
		return ""
	}
	return TextOf(v)
}

// Flag reads a boolean.
func (r *Reader) Flag(v *Value, path string) bool {
	return r.Want(v, path, Bool) && v.Raw[0] == 't'
}

// Number reads a finite number in [lo, hi].
func (r *Reader) Number(v *Value, path string, lo, hi float64) float64 {
	if !r.Want(v, path, Number) {
		return 0
	}
	f, err := strconv.ParseFloat(string(v.Raw), 64)
	if err != nil || math.IsInf(f, 0) || f < lo || f > hi {
		r.Fail(path, InvalidValue, "must be between %v and %v", lo, hi)
		return 0
	}
	return f
}

// Integer reads a whole number in [lo, hi]. 5.0 and 5e0 are whole numbers too.
func (r *Reader) Integer(v *Value, path string, lo, hi int64) int64 {
	if !r.Want(v, path, Number) {
		return 0
	}
	n, err := strconv.ParseInt(string(v.Raw), 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		f, ferr := strconv.ParseFloat(string(v.Raw), 64)
		// From 2^53 a float no longer says which integer was meant.
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
			r.Fail(path, InvalidValue, "must be an integer")
			return 0
		}
		n, err = int64(f), nil
	}
	if err != nil || n < lo || n > hi {
		r.Fail(path, InvalidValue, "must be an integer between %d and %d", lo, hi)
		return 0
	}
	return n
}

// OneOf reads a string that is one of allowed.
func (r *Reader) OneOf(v *Value, path string, allowed ...string) string {
	s := r.Text(v, path)
	if r.err == nil && !slices.Contains(allowed, s) {
		r.Fail(path, InvalidValue, "must be one of %s, not %q", strings.Join(allowed, ", "), Abbreviate(s))
	}
	return s
}

// Member reads a string member that must be there; it may be empty.
func (r *Reader) Member(v *Value, path, key string) string {
	m := Present(v, key)
	if m == nil {
		r.Fail(path+"."+key, Missing, "%s is required", key)
		return ""
	}
	return r.Text(m, path+"."+key)
}

// OptionalText reads a string member; one that is not there is empty. path leads to v, "" for the body itself.
func (r *Reader) OptionalText(v *Value, path, key string) string {
	if m := Present(v, key); m != nil {
		return r.Text(m, join(path, key))
	}
	return ""
}

// OptionalFlag reads a boolean member; one that is not there is off. path leads to v, "" for the body itself.
func (r *Reader) OptionalFlag(v *Value, path, key string) bool {
	m := Present(v, key)
	return m != nil && r.Flag(m, join(path, key))
}

// Needs refuses a body without one of these members.
func (r *Reader) Needs(body *Value, keys ...string) {
	for _, key := range keys {
		if Present(body, key) == nil {
			r.Fail(key, Missing, "%s is required", key)
		}
	}
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

// At is the path of item i of the list at path.
func At(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
