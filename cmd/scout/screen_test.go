package main

import (
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
)

// screen is a terminal as far as scout dictate uses one: it wraps at its width, forgets nothing that scrolls away, and knows which
// characters are grey.
type screen struct {
	width, height int
	lines         [][]cell
	row, column   int
	style         string
}

type cell struct {
	text  string
	style string
}

// show makes the terminal show what a program writes.
func (s *screen) show(raw string) {
	state := -1
	for raw != "" {
		if strings.HasPrefix(raw, "\x1b[") {
			end := 2 + strings.IndexFunc(raw[2:], func(r rune) bool { return r >= '@' && r <= '~' })
			s.sequence(raw[2:end], raw[end])
			raw, state = raw[end+1:], -1
			continue
		}
		var cluster string
		var width int
		cluster, raw, width, state = uniseg.FirstGraphemeClusterInString(raw, state)
		switch cluster {
		case "\r":
			s.column = 0
		case "\n":
			s.row++
		case "\r\n":
			s.row, s.column = s.row+1, 0
		default:
			if s.column+width > s.width {
				s.row, s.column = s.row+1, 0
			}
			line := s.line()
			for len(*line) < s.column+width {
				*line = append(*line, cell{text: " "})
			}
			(*line)[s.column] = cell{cluster, s.style}
			for k := 1; k < width; k++ {
				(*line)[s.column+k] = cell{"", s.style}
			}
			s.column += width
		}
	}
}

func (s *screen) line() *[]cell {
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, nil)
	}
	return &s.lines[s.row]
}

func (s *screen) sequence(parameters string, final byte) {
	n, err := strconv.Atoi(parameters)
	if err != nil {
		n = 1
	}
	switch final {
	case 'A': // what has scrolled away cannot be reached
		s.row = max(s.row-n, len(s.lines)-s.height, 0)
	case 'C':
		s.column = min(s.column+n, s.width-1)
	case 'J':
		line := s.line()
		*line = (*line)[:min(len(*line), s.column)]
		s.lines = s.lines[:s.row+1]
	case 'm':
		s.style = map[string]string{"90": "grey", "2": "faint"}[parameters]
	}
}

// text is what is on the screen, with grey and faint text in brackets.
func (s *screen) text() string {
	var out strings.Builder
	style := ""
	turn := func(to string) {
		if style != "" {
			out.WriteString("]")
		}
		if to != "" {
			out.WriteString("[")
		}
		style = to
	}
	for i, line := range s.lines {
		if i > 0 {
			out.WriteString("\n")
		}
		for _, c := range line {
			if c.style != style {
				turn(c.style)
			}
			out.WriteString(c.text)
		}
		if style != "" {
			turn("")
		}
	}
	return strings.TrimRight(out.String(), "\n ")
}
