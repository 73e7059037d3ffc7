package text

import "github.com/rivo/uniseg"

// width returns how many columns of a fixed-width font s takes (Unicode Standard Annex 11): two for Chinese, Japanese,
// Korean and full-width characters and for emoji, none for combining marks.
func width(s string) int { return uniseg.StringWidth(s) }
