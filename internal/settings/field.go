package settings

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// field is one setting, described by the tags of the struct.
type field struct {
	name     string // group.name
	variable string // SCOUT_GROUP__NAME
	old      string // an older variable, empty if there is none
	about    string
	unset    string
	want     []string
	min, max *int
	zero     string // the word for 0, empty if there is none
	is       string
	value    any // string, int or time.Duration
}

// fields returns every setting with its value in s, in the order of the struct.
func fields(s Settings) []field {
	var all []field
	groups := reflect.ValueOf(s)
	for g := range groups.NumField() {
		all = append(all, fieldsOf(groups.Type().Field(g).Tag.Get("koanf"), groups.Field(g))...)
	}
	return all
}

// fieldsOf returns the settings of a group, and of the groups in it.
func fieldsOf(group string, values reflect.Value) []field {
	var all []field
	for i := range values.NumField() {
		tag := values.Type().Field(i).Tag
		name := group + "." + tag.Get("koanf")
		if values.Field(i).Kind() == reflect.Struct {
			all = append(all, fieldsOf(name, values.Field(i))...)
			continue
		}
		all = append(all, field{
			name: name, variable: strings.ToUpper("SCOUT_" + strings.NewReplacer(".", "__", "-", "_").Replace(name)),
			old: tag.Get("old"), about: tag.Get("about"), unset: tag.Get("unset"),
			want: strings.Fields(tag.Get("want")), min: number(tag.Get("min")), max: number(tag.Get("max")),
			zero: tag.Get("zero"), is: tag.Get("is"), value: values.Field(i).Interface(),
		})
	}
	return all
}

func number(text string) *int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	return &n
}

// lengths describes how a duration is written.
const lengths = "a length of time such as \"500ms\", \"15s\" or \"2m\""

// allowed describes the allowed values.
func (f field) allowed() string {
	switch {
	case len(f.want) > 1:
		return strings.Join(f.want[:len(f.want)-1], ", ") + " or " + f.want[len(f.want)-1]
	case networkForms()[f.is].allowed != "":
		return networkForms()[f.is].allowed
	case f.is == "address":
		return "an address such as http://localhost:4318"
	case f.is != "":
		return "the path of a " + f.is
	}
	switch f.value.(type) {
	case int:
		if f.zero != "" {
			return fmt.Sprintf("%s, or a whole number from %d to %d", f.zero, *f.min+1, *f.max)
		}
		return fmt.Sprintf("a whole number from %d to %d", *f.min, *f.max)
	case time.Duration:
		return lengths
	}
	return "a text"
}

// fromText reads a value of the environment or of a flag.
func (f field) fromText(text string) (any, error) {
	var value any = text
	var err error
	switch f.value.(type) {
	case int:
		if f.isZero(text) {
			return 0, nil
		}
		value, err = strconv.Atoi(text)
	case time.Duration:
		value, err = time.ParseDuration(text)
	}
	if err != nil {
		return nil, f.refuse(strconv.Quote(text))
	}
	return f.check(value)
}

// fromFile takes a value from TOML.
func (f field) fromFile(value any) (any, error) {
	switch f.value.(type) {
	case int:
		if n, ok := value.(int64); ok && int64(int(n)) == n {
			return f.check(int(n))
		}
		if text, ok := value.(string); ok && f.isZero(text) {
			return 0, nil
		}
	case time.Duration:
		if text, ok := value.(string); ok {
			return f.fromText(text)
		}
	default:
		if text, ok := value.(string); ok {
			return f.check(text)
		}
	}
	return nil, f.refuse(kindOf(value))
}

// isZero reports whether a text is the word for 0.
func (f field) isZero(text string) bool { return f.zero != "" && strings.EqualFold(text, f.zero) }

// kindOf describes the type of a TOML value.
func kindOf(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case int64, float64, bool:
		return fmt.Sprintf("%v", v)
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date"
}

func (f field) refuse(what string) error {
	return fmt.Errorf("is %s: want %s", what, f.allowed())
}

// check returns the value as it is used, or an error that says what is wrong with it.
func (f field) check(value any) (any, error) {
	switch v := value.(type) {
	case int:
		if v < *f.min || v > *f.max {
			return nil, f.refuse(strconv.Itoa(v))
		}
	case time.Duration:
		if v < 0 {
			return nil, fmt.Errorf("is %s: want a length of time, 0 or more", v)
		}
	case string:
		return f.checkText(v)
	}
	return value, nil
}

func (f field) checkText(text string) (any, error) {
	if text == "" {
		if f.value != "" {
			return nil, fmt.Errorf("is empty: want %s", f.allowed())
		}
		return "", nil
	}
	if strings.ContainsAny(text, "\x00\r\n") {
		return nil, fmt.Errorf("is %q: want one line", text)
	}
	for _, word := range f.want {
		if strings.EqualFold(word, text) {
			return word, nil
		}
	}
	if len(f.want) > 0 {
		return nil, f.refuse(strconv.Quote(text))
	}
	if f.is == "address" {
		if target, err := url.Parse(text); err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
			return nil, f.refuse(strconv.Quote(withoutPassword(text)))
		}
	}
	if err := f.checkNetwork(text); err != nil {
		return nil, err
	}
	return text, nil
}

// isPath reports whether the setting names something on disk.
func (f field) isPath() bool { return f.is == "folder" || f.is == "file" || f.is == "program" }

// path replaces ~ by the home folder. A path in a file must not depend on the folder in which a command runs.
func (f field) path(value any, inFile bool, home func() (string, error)) (any, error) {
	text, ok := value.(string)
	if !ok || !f.isPath() || text == "" {
		return value, nil
	}
	if rest, ok := strings.CutPrefix(text, "~"); ok && (rest == "" || rest[0] == '/') {
		dir, err := home()
		if err != nil {
			return nil, fmt.Errorf("is %q, and it is not known where ~ is: want an absolute path", text)
		}
		return filepath.Join(dir, rest), nil
	}
	if inFile && !filepath.IsAbs(text) {
		return nil, fmt.Errorf("is %q: want a path that begins with / or ~/", text)
	}
	return text, nil
}

// text returns the value as people write it.
func (f field) text() string {
	text := fmt.Sprint(f.value)
	if f.zero != "" && f.value == 0 {
		return f.zero
	}
	if f.is == "address" {
		return withoutPassword(text)
	}
	return text
}

// withoutPassword hides the secrets in an address: user name and password, and everything after a question mark.
func withoutPassword(address string) string {
	before, after, found := strings.Cut(address, "://")
	if !found {
		before, after = "", address
	} else {
		before += "://"
	}
	host, rest := after, ""
	if end := strings.IndexAny(after, "/?#"); end >= 0 {
		host, rest = after[:end], after[end:]
	}
	if at := strings.LastIndex(host, "@"); at >= 0 {
		host = "(hidden)@" + host[at+1:]
	} else if at := strings.LastIndex(after, "@"); at >= 0 { // a password with a slash in it: not a valid address, but still a password
		return before + "(hidden)@" + withoutQuery(after[at+1:])
	}
	return before + host + withoutQuery(rest)
}

func withoutQuery(rest string) string {
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		return rest[:end] + "?(hidden)"
	}
	return rest
}

var errNoHome = errors.New("$HOME is not set")
