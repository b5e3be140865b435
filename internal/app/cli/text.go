package cli

import "strings"

// printable takes what could steer the terminal out of text that agents wrote.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '�'
		}
		return r
	}, text)
}

// oneLine is printable text that cannot pass for a line of somebody else's.
func oneLine(text string) string {
	return printable(strings.Join(strings.Fields(text), " "))
}
