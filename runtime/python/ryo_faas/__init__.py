"""What a function in Python may import: other functions, the store, events, and what is known of the invocation."""
from ._clients import CallResponse, StoreError, Table, call, store
from ._context import context
from ._events import CloudEvent, Document, DocumentEvent, PublishError, publish
from ._invocation import Cancelled
from ._service import Service
from ._styles import Request, Response

__all__ = [
    'CallResponse', 'Cancelled', 'CloudEvent', 'Document', 'DocumentEvent', 'PublishError', 'Request', 'Response',
    'Service', 'StoreError', 'Table', 'call', 'context', 'publish', 'store',
]
