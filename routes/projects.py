"""Projects."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.http.endpoint import Endpoint, JsonBody, Query
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import IDEMPOTENCY_ERRORS, IdempotencyKey, Reader, Writer
from routes.responses import header_responses, no_content, versioned_response
from services.tracking.projects import ProjectNameTakenError, ProjectNotFoundError, project_service
from services.tracking.schemas.projects import (
    ProjectChangeQuery,
    ProjectCreate,
    ProjectPage,
    ProjectQuery,
    ProjectRead,
    ProjectUpdate,
    ProjectUpdateResult,
)

router = APIRouter(route_class=Endpoint, prefix="/projects", tags=["projects"])


@router.get("", operation_id="list_projects", summary="List projects", response_model=ProjectPage)
async def list_projects(user: Reader, query: Query[ProjectQuery]) -> Response:
    """Sorted by name."""
    return json_response(await project_service.list_projects(user, query=query))


@router.post(
    "",
    operation_id="create_project",
    summary="Create a project",
    status_code=201,
    response_model=ProjectRead,
    responses={**header_responses(201, "Location"), **problem_responses(ProjectNameTakenError, *IDEMPOTENCY_ERRORS)},
)
async def create_project(request: Request, user: Writer, new: JsonBody[ProjectCreate], key: IdempotencyKey) -> Response:
    """Only the name is required. It is unique among the projects of a user."""
    return versioned_response(
        await project_service.create(user, new=new, request_key=key), location=request.scope["path"]
    )


@router.get(
    "/{project_id}",
    operation_id="get_project",
    summary="Get a project",
    response_model=ProjectRead,
    responses=problem_responses(ProjectNotFoundError),
)
async def get_project(user: Reader, project_id: str) -> Response:
    """Archived projects too."""
    return json_response(await project_service.get(user, project_id=project_id))


@router.patch(
    "/{project_id}",
    operation_id="change_project",
    summary="Update a project",
    response_model=ProjectUpdateResult,
    responses=problem_responses(ProjectNotFoundError, ProjectNameTakenError),
)
async def change_project(
    user: Writer, project_id: str, query: Query[ProjectChangeQuery], change: JsonBody[ProjectUpdate]
) -> Response:
    """JSON merge patch: fields that are not sent keep their values, and the rate is merged key by key.

    A new rate applies to later entries; with `rerate` also to existing ones.
    """
    changed = await project_service.update(user, project_id=project_id, change=change, rerate=query.rerate)
    return json_response(changed)


@router.delete(
    "/{project_id}",
    operation_id="delete_project",
    summary="Delete a project",
    status_code=204,
    responses=problem_responses(ProjectNotFoundError),
)
async def delete_project(user: Writer, project_id: str) -> Response:
    """Its tasks keep their time, and no longer belong to a project."""
    await project_service.delete(user, project_id=project_id)
    return no_content()
