package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON is the format of bodies. It refuses what decoders understand in different ways: text that is not UTF-8, and names that occur
// twice in an object.
func strictJSON() huma.Format {
	format := huma.DefaultJSONFormat
	decode := format.Unmarshal
	format.Unmarshal = func(data []byte, v any) error {
		if err := unambiguous(data); err != nil {
			return err
		}
		return decode(data, v)
	}
	return format
}

// maxDepth bounds how deep objects and lists may lie in each other.
const maxDepth = 64

// unambiguous returns an error if JSON can be understood in different ways.
func unambiguous(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("the body is not text in UTF-8")
	}
	type level struct {
		names map[string]bool // nil in a list
		value bool            // the next token is a value
	}
	var levels []level
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil // whether the whole is JSON the decoder says
		} else if err != nil {
			return errors.New("the body is not JSON: " + plainSyntax(err))
		}
		top := len(levels) - 1
		delim, _ := token.(json.Delim)
		if top >= 0 && levels[top].names != nil && delim != '}' {
			if name, is := token.(string); is && !levels[top].value {
				if levels[top].names[name] {
					return fmt.Errorf("the name %q occurs twice in one object", name)
				}
				levels[top].names[name], levels[top].value = true, true
				continue
			}
			levels[top].value = false
		}
		switch delim {
		case '{':
			levels = append(levels, level{names: map[string]bool{}})
		case '[':
			levels = append(levels, level{})
		case '}', ']':
			levels = levels[:top]
		}
		if len(levels) > maxDepth {
			return fmt.Errorf("objects and lists lie in each other more than %d deep", maxDepth)
		}
	}
}

// plainSyntax says where JSON ends or breaks.
func plainSyntax(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("byte %d does not fit", syntax.Offset)
	}
	return "it ends too early"
}
