package api

import (
	"strings"

	"github.com/danielgtaylor/huma/v2/validation"
)

// useOurWords replaces what huma says of values that do not fit: a person reads it, through the command line. Its texts are
// variables of huma's.
func useOurWords() {
	for of, ours := range map[*string]string{
		&validation.MsgUnexpectedProperty:             "there is no such field",
		&validation.MsgExpectedRFC3339DateTime:        "this is not a time such as 2026-11-28T09:00:00Z",
		&validation.MsgExpectedBoolean:                "this is neither true nor false",
		&validation.MsgExpectedNumber:                 "this is not a number",
		&validation.MsgExpectedInteger:                "this is not a whole number",
		&validation.MsgExpectedString:                 "this is not a text",
		&validation.MsgExpectedArray:                  "this is not a list",
		&validation.MsgExpectedObject:                 "this is not an object",
		&validation.MsgExpectedOneOf:                  "this is none of \"%s\"",
		&validation.MsgExpectedMinimumNumber:          "this is less than %v",
		&validation.MsgExpectedMaximumNumber:          "this is more than %v",
		&validation.MsgExpectedExclusiveMinimumNumber: "this is not more than %v",
		&validation.MsgExpectedExclusiveMaximumNumber: "this is not less than %v",
		&validation.MsgExpectedMinLength:              "this is shorter than %d characters",
		&validation.MsgExpectedMaxLength:              tooLong + " %d characters",
		&validation.MsgExpectedMinItems:               "this list has fewer than %d entries",
		&validation.MsgExpectedMaxItems:               tooMany + " %d entries",
		&validation.MsgExpectedMatchPattern:           "this does not match the pattern %s",
		&validation.MsgExpectedRequiredProperty:       "%s is missing",
	} {
		*of = ours
	}
}

// ourWords replaces what huma says of parameters that cannot be read, and keeps for itself.
func ourWords(message string) string {
	switch {
	case message == "invalid integer":
		return validation.MsgExpectedInteger
	case message == "invalid float":
		return validation.MsgExpectedNumber
	case message == "invalid boolean":
		return validation.MsgExpectedBoolean
	case strings.HasPrefix(message, "invalid date/time"):
		return validation.MsgExpectedRFC3339DateTime
	}
	return message
}

// How the texts about the limits begin that a person can exceed.
const (
	tooLong = "this is longer than"
	tooMany = "this list has more than"
)

// whatToDo returns what a person can do about a value that does not fit; empty if there is nothing better than the documents.
func whatToDo(message string) string {
	switch {
	case strings.HasPrefix(message, tooLong):
		return "shorten it"
	case strings.HasPrefix(message, tooMany):
		return "send fewer"
	}
	return ""
}
