from documents.base import StoredDocument
from documents.tasks import Task
from documents.users import User

DOCUMENTS: tuple[type[StoredDocument], ...] = (User, Task)
