package token

import "strings"

// GPT-2 writes each byte of a token as one character. Printable bytes stand for themselves; the other 68 are, in
// ascending order, the characters from 256 on. Source: openai/gpt-2, src/encoder.py.
var (
	charOf = charsOfBytes()
	byteOf = bytesOfChars()
)

func charsOfBytes() (chars [256]rune) {
	next := rune(256)
	for b := range chars {
		if b >= 33 && b <= 126 || b >= 161 && b <= 172 || b >= 174 {
			chars[b] = rune(b)
			continue
		}
		chars[b] = next
		next++
	}
	return chars
}

func bytesOfChars() map[rune]byte {
	of := make(map[rune]byte, 256)
	for b, char := range charsOfBytes() {
		of[char] = byte(b)
	}
	return of
}

// bytesOf returns the bytes that a token is written for, and false if it holds any other character.
func bytesOf(token string) (string, bool) {
	var bytes strings.Builder
	for _, char := range token {
		b, known := byteOf[char]
		if !known {
			return "", false
		}
		bytes.WriteByte(b)
	}
	return bytes.String(), true
}

// written returns how bytes are written in a token.
func written(bytes string) string {
	var token strings.Builder
	for _, b := range []byte(bytes) {
		token.WriteRune(charOf[b])
	}
	return token.String()
}
