module github.com/ryo-faas/ryo-faas/examples/go

go 1.22

require github.com/ryo-faas/ryo-faas/runtime/go v0.0.0

// For the editor; a deployment brings its own.
replace github.com/ryo-faas/ryo-faas/runtime/go => ../../runtime/go
