// Command testreport turns `go test -json` into what a person reads and a
// machine counts: the lines go test itself prints, the whole output of what
// failed, every skip with its reason, the coverage, and one closing line,
// "N passed, N failed[, N skipped]". It ends with 1 when anything failed.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

// options are the command's flags.
type options struct {
	summary    string
	profile    string
	prefix     string
	minPercent float64
	minTests   int
	noSkips    bool
}

func main() {
	var o options
	flag.StringVar(&o.summary, "summary", "", "also write the closing line to this `file`")
	flag.StringVar(&o.profile, "profile", "", "the cover `profile` that the tests wrote")
	flag.StringVar(&o.prefix, "prefix", "", "import path prefix of the files whose coverage counts")
	flag.Float64Var(&o.minPercent, "min-coverage", 0, "fail below this `percentage` of statements")
	flag.IntVar(&o.minTests, "min-tests", 1, "fail when fewer tests ran")
	flag.BoolVar(&o.noSkips, "no-skips", false, "a skipped test is a failure")
	flag.Parse()
	if err := run(o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
}

// run reads events from in, reports to out, and returns an error when the
// tests, the coverage or the number of tests are not as asked.
func run(o options, in io.Reader, out io.Writer) error {
	tests, err := readTests(in, out)
	if err != nil {
		return err
	}
	tests.tellSlowest(out)
	tests.tellRepeated(out)
	verdict := tests.verdict(o, out)
	if o.profile != "" && tests.failed == 0 {
		if err := reportCoverage(o, out); err != nil && verdict == nil {
			verdict = err
		}
	}
	closing := tests.closing()
	fmt.Fprintln(out, closing)
	if o.summary != "" {
		if err := os.WriteFile(o.summary, []byte(closing+"\n"), 0o644); err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
	}
	return verdict
}
