// Package agent holds the roles and the tools. A role is a Markdown prompt; a
// tool is a Go function with a Markdown description. The package promises that
// a model is told who it is, what it owes and which text is only material, and
// that a tool call can neither leave the workspace nor decide anything: what a
// tool wants written to the database it returns as an effect, and package run
// carries the effect out together with its journal row.
package agent
