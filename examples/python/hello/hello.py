def HelloWorld(request):
    """Answers with one line."""
    return 'Hello, World!\n'
