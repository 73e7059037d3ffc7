package settings

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// place is the position of a value in a TOML file. All positions are offsets in bytes.
type place struct {
	key        []string
	start, end int // of key and value
	value      int // where the value begins
	inline     bool
}

// header is the line of a table: [log].
type header struct {
	key []string
	at  int // within the line
}

// layout holds the positions of everything in a valid TOML file, in order.
type layout struct {
	places  []place
	headers []header
	inlines map[string]int // where the contents of an inline table begin, by its key
}

// layoutOf reads the layout of a valid TOML file.
func layoutOf(content []byte) layout {
	var p unstable.Parser
	p.Reset(content)
	l := layout{inlines: map[string]int{}}
	var table []string
	for p.NextExpression() {
		switch node := p.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			h := header{}
			for parts := node.Key(); parts.Next(); {
				h.key = append(h.key, string(parts.Node().Data))
				h.at = int(parts.Node().Raw.Offset)
			}
			table = h.key
			l.headers = append(l.headers, h)
		case unstable.KeyValue:
			l.add(node, table, false)
		}
	}
	return l
}

func (l *layout) add(node *unstable.Node, table []string, inline bool) {
	start := int(node.Raw.Offset)
	at := place{key: slices.Clone(table), start: start, end: start + int(node.Raw.Length), value: int(node.Value().Raw.Offset), inline: inline}
	for parts := node.Key(); parts.Next(); {
		at.key = append(at.key, string(parts.Node().Data))
	}
	l.places = append(l.places, at)
	if node.Value().Kind != unstable.InlineTable {
		return
	}
	l.inlines[strings.Join(at.key, ".")] = at.value + 1
	for children := node.Value().Children(); children.Next(); {
		l.add(children.Node(), at.key, true)
	}
}

// edit sets a setting to a literal in a valid TOML file, or takes it out where the literal is empty. The caller checks the result.
func edit(content []byte, name, literal string) []byte {
	body := bytes.TrimPrefix(content, []byte("\ufeff"))
	mark := content[:len(content)-len(body)]
	line := "\n"
	if bytes.Contains(body, []byte("\r\n")) {
		line = "\r\n"
	}
	l := layoutOf(body)
	i := slices.IndexFunc(l.places, func(p place) bool { return strings.Join(p.key, ".") == name })
	var edited []byte
	switch {
	case i < 0 && literal == "":
		return content
	case i < 0:
		edited = l.insert(body, name, literal, line)
	case literal == "":
		edited = l.remove(body, i)
	default:
		edited = splice(body, l.places[i].value, l.places[i].end, literal)
	}
	return append(slices.Clone(mark), edited...)
}

func splice(content []byte, from, to int, text string) []byte {
	return slices.Concat(content[:from], []byte(text), content[to:])
}

// remove takes out a value: its line with a comment behind it, or its part of an inline table.
func (l *layout) remove(content []byte, i int) []byte {
	p := l.places[i]
	from, to := p.start, p.end
	if !p.inline {
		from = bytes.LastIndexByte(content[:from], '\n') + 1
		if end := bytes.IndexByte(content[to:], '\n'); end >= 0 {
			return splice(content, from, to+end+1, "")
		}
		return splice(content, from, len(content), "")
	}
	blank := func(i int) bool { return strings.ContainsRune(" \t\r\n", rune(content[i])) }
	for to < len(content) && blank(to) {
		to++
	}
	if to < len(content) && content[to] == ',' { // the comma behind it, else the one before it
		to++
		for to < len(content) && blank(to) {
			to++
		}
		return splice(content, from, to, "")
	}
	for from > 0 && blank(from-1) {
		from--
	}
	if from > 0 && content[from-1] == ',' {
		return splice(content, from-1, p.end, "")
	}
	return splice(content, p.start, p.end, "")
}

// insert adds a value to the table of its group: in whatever way the file writes that, else as a table at the end.
func (l *layout) insert(content []byte, name, literal, line string) []byte {
	group, member, _ := strings.Cut(name, ".")
	set := member + " = " + literal
	if at, is := l.inlines[group]; is {
		after := slices.IndexFunc(l.places, func(p place) bool { return p.inline && p.key[0] == group })
		if after < 0 {
			return splice(content, at, at, " "+set+" ")
		}
		return splice(content, l.places[after].start, l.places[after].start, set+", ")
	}
	dotted := slices.IndexFunc(l.places, func(p place) bool { return len(p.key) > 1 && p.key[0] == group })
	if dotted >= 0 && !slices.ContainsFunc(l.headers, func(h header) bool { return h.key[0] == group }) { // written as log.level = "info"
		start := bytes.LastIndexByte(content[:l.places[dotted].start], '\n') + 1
		return splice(content, start, start, group+"."+set+line)
	}
	last := -1 // the end of what the table has
	for _, h := range l.headers {
		if len(h.key) == 1 && h.key[0] == group {
			last = h.at
		}
	}
	if last < 0 {
		text := "[" + group + "]" + line + set + line
		if rest := bytes.TrimRight(content, " \t\r\n"); len(rest) > 0 {
			text = line + text
			if content[len(content)-1] != '\n' {
				text = line + text
			}
		}
		return splice(content, len(content), len(content), text)
	}
	next := len(content)
	for _, h := range l.headers {
		if h.at > last {
			next = min(next, h.at)
		}
	}
	for _, p := range l.places {
		if p.start > last && p.start < next {
			last = max(last, p.end)
		}
	}
	end := bytes.IndexByte(content[last:], '\n')
	if end < 0 {
		return splice(content, len(content), len(content), line+set+line)
	}
	return splice(content, last+end+1, last+end+1, set+line)
}
