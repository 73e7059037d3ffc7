package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
)

// Limits of a form.
const (
	mostParts     = 1000
	mostFormField = 64 << 10
	// formSlack is what a form may be larger than its file.
	formSlack = 1 << 20
)

// fieldFile is the part with the audio.
const fieldFile = "file"

// errForm is what is wrong with a form as a whole.
func errForm(format string, args ...any) error {
	return &openai.FieldError{Code: openai.CodeInvalidValue, Err: scout.Errorf(scout.CodeInvalidArgument, format, args...)}
}

// form is what was received.
type form struct {
	fields map[string][]string
	late   bool // a field came after the file
	file   *spool
}

// receiver takes the parts of a form in any order.
type receiver struct {
	*form
	body    Body
	make    func() (*spool, error)    // makes the file
	arrives func(ctx context.Context) // is called before the file is read
}

// receive reads all parts. After an error the file is not complete.
func (f *receiver) receive(ctx context.Context, r *http.Request) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "multipart/form-data" {
		return scout.Errorf(scout.CodeMediaType, "the body is not multipart/form-data")
	}
	again := *r
	again.Body = io.NopCloser(f.body)
	parts, err := again.MultipartReader()
	if err != nil {
		return errForm("the content type multipart/form-data has no boundary")
	}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		switch {
		case err == io.EOF: // wrapped it is a body that ends before the form does
			return f.complete()
		case err != nil:
			return f.broken(err)
		case n == mostParts:
			return errForm("the form has more than %d parts", mostParts)
		}
		if err := f.take(ctx, part); err != nil {
			return err
		}
	}
}

func (f *receiver) complete() error {
	if f.file == nil {
		return &openai.FieldError{Param: fieldFile, Code: openai.CodeMissing, Err: scout.Errorf(scout.CodeInvalidArgument, "there is no file")}
	}
	return nil
}

// broken explains why a form cannot be read to its end.
func (f *receiver) broken(err error) error {
	if explained := f.body.Explain(err); scout.CodeOf(explained) != scout.CodeInvalidArgument {
		return explained
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errForm("the form ends too early, or its boundary is another one than that of Content-Type")
	}
	return errForm("the form cannot be read")
}

// Encoded says that a part does not come as it is, as senders of mail have it (RFC 7578, 4.7); nil where it does. What is quoted-printable was decoded by
// package multipart.
func Encoded(part *multipart.Part) error {
	switch coding := strings.TrimSpace(part.Header.Get("Content-Transfer-Encoding")); strings.ToLower(coding) {
	case "", "binary", "8bit", "7bit":
		return nil
	default:
		return scout.Errorf(scout.CodeInvalidArgument, "a part has the Content-Transfer-Encoding %.40q", coding).WithHint("send it as it is")
	}
}

// take receives one part.
func (f *receiver) take(ctx context.Context, part *multipart.Part) error {
	name := part.FormName()
	if err := Encoded(part); err != nil {
		return &openai.FieldError{Param: paramOf(name), Code: openai.CodeInvalidValue, Err: err}
	}
	if name == fieldFile {
		return f.takeFile(ctx, part)
	}
	value, err := io.ReadAll(io.LimitReader(part, mostFormField+1))
	switch {
	case err != nil:
		return f.broken(err)
	case len(value) > mostFormField:
		return openai.Invalid(paramOf(name), "the field has more than %d bytes", mostFormField)
	case len(value) > 0: // an empty one is absent
		f.fields[name] = append(f.fields[name], string(value))
		f.late = f.late || f.file != nil && known(name)
	}
	return nil
}

// takeFile receives the file.
func (f *receiver) takeFile(ctx context.Context, part *multipart.Part) (err error) {
	if f.file != nil {
		return &openai.FieldError{Param: fieldFile, Code: openai.CodeInvalidValue, Err: scout.Errorf(scout.CodeInvalidArgument, "there is a second file")}
	}
	if f.file, err = f.make(); err != nil {
		return err
	}
	defer func() { f.file.end(err) }()
	f.arrives(ctx)
	if err := f.file.take(part); err != nil {
		var write *writeError
		if errors.As(err, &write) {
			return write.err
		}
		return f.broken(err)
	}
	return nil
}

// paramOf is the name of a field as OpenAI names it: without brackets. One that is no name is left out.
func paramOf(name string) string {
	name, _, _ = strings.Cut(name, "[")
	const most = 64
	if len(name) > most || !utf8.ValidString(name) {
		return ""
	}
	return name
}

// list is an array: parts name[] or name, or one part with a JSON array.
func (f *form) list(name string) ([]string, error) {
	values := slices.Concat(f.fields[name+"[]"], f.fields[name])
	if len(values) == 1 && strings.HasPrefix(strings.TrimSpace(values[0]), "[") {
		var list []string
		if err := json.Unmarshal([]byte(values[0]), &list); err != nil {
			return nil, openai.Invalid(name, "it is no JSON array of texts")
		}
		values = list
	}
	for i := range f.fields { // name[0], name[1]: as some encoders write an array
		if inner, is := inBrackets(i, name); is && inner != "" {
			if !digits(inner) {
				return nil, openai.Invalid(name, "it is an object, and not a list")
			}
		}
	}
	for _, i := range slices.SortedFunc(maps.Keys(f.fields), byNumber) {
		if inner, is := inBrackets(i, name); is && inner != "" {
			values = append(values, f.fields[i]...)
		}
	}
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return strings.TrimSpace(v) == "" }), nil
}

// inBrackets is the key of a part name[key].
func inBrackets(part, name string) (inner string, is bool) {
	rest, is := strings.CutPrefix(part, name+"[")
	if !is || !strings.HasSuffix(rest, "]") {
		return "", false
	}
	return rest[:len(rest)-1], true
}

func digits(text string) bool { return strings.Trim(text, "0123456789") == "" }

// byNumber orders name[2] before name[10].
func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// object is an object: parts name[key], or one part with JSON. raw is the text of the one part where that is no object.
func (f *form) object(name string) (object map[string]json.RawMessage, raw string, err error) {
	object = make(map[string]json.RawMessage)
	for part, values := range f.fields {
		if inner, is := inBrackets(part, name); is && inner != "" {
			object[inner] = scalar(values[len(values)-1])
		}
	}
	raw = f.last(name)
	switch {
	case raw == "" && len(object) == 0:
		return nil, "", nil
	case raw != "" && len(object) > 0:
		return nil, "", openai.Invalid(name, "it is there as one part and as an object")
	case raw == "":
		return object, "", nil
	case strings.HasPrefix(raw, "{"):
		if err := json.Unmarshal([]byte(raw), &object); err != nil {
			return nil, "", openai.Invalid(name, "it is no JSON object")
		}
		return object, "", nil
	}
	return nil, raw, nil
}

// scalar is the text of a part as JSON: numbers are text there.
func scalar(text string) json.RawMessage {
	var number float64
	if json.Unmarshal([]byte(text), &number) == nil {
		return json.RawMessage(text)
	}
	quoted, _ := json.Marshal(text) // a text
	return quoted
}

// last is a scalar: of repeated ones the last one wins.
func (f *form) last(name string) string {
	values := f.fields[name]
	if len(values) == 0 {
		return ""
	}
	return strings.TrimSpace(values[len(values)-1])
}

// hash names the request: the same fields and file, in whatever order they came.
func (f *form) hash(path string) string {
	h := sha256.New()
	write := func(text string) { _, _ = fmt.Fprintf(h, "%d:%s", len(text), text) } // a hash takes everything
	write(path)
	write(f.file.sum())
	for _, name := range slices.Sorted(maps.Keys(f.fields)) {
		write(name)
		for _, value := range f.fields[name] {
			write(value)
		}
		write("")
	}
	return hex.EncodeToString(h.Sum(nil))
}
