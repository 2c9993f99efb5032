"""A function that calls another one."""
from urllib.error import URLError
from urllib.request import Request, urlopen

from ryo_faas import call, context

FUNCTIONS = '/functions/'


def Method1(request):
    """
    Takes {"data": "<url>"}, calls that URL and passes its answer on. A path like /functions/method2 is another function of
    this platform; anything else is a web address.
    """
    try:
        url = request.json()['data']
    except (ValueError, KeyError, TypeError):
        return 'send {"data": "<url>"}\n', 400
    try:
        status, body = get(url)
    except (URLError, OSError, ValueError) as error:
        return f'cannot reach {url}: {error}\n', 502
    return body + 'Accepted at method 1\n', status


def get(url):
    if url.startswith(FUNCTIONS):
        name, _, path = url[len(FUNCTIONS):].partition('/')
        answer = call(name, path)
        return answer.status, answer.text
    with urlopen(Request(url, headers=context().headers())) as answer:
        return answer.status, answer.read().decode()
