// The shapes of the API. "api-types" is generated from openapi.json when the types are checked.

import type { components } from "api-types";

type Schemas = components["schemas"];

export type ApiToken = Schemas["ApiTokenRead"];
export type AuditEvent = Schemas["AuditEventRead"];
export type CalendarFeed = Schemas["CalendarFeedRead"];
export type Change = Schemas["ChangeRead"];
export type Delivery = Schemas["DeliveryRead"];
export type Entry = Schemas["EntryRead"];
export type Import = Schemas["ImportRead"];
export type ListedEntry = Schemas["EntryWithTask"];
export type Overlap = Schemas["OverlapRead"];
export type Preferences = Schemas["PreferencesRead"];
export type Problem = Schemas["Problem"];
export type Project = Schemas["ProjectRead"];
export type RecentTask = Schemas["RecentTask"];
export type Session = Schemas["SessionRead"];
export type Share = Schemas["ShareRead"];
export type SharedReport = Schemas["SharedReport"];
export type SharedTimesheet = Schemas["SharedTimesheet"];
export type Summary = Schemas["SummaryRead"];
export type Task = Schemas["TaskRead"];
export type Timer = Schemas["TimerRead"];
export type Timesheet = Schemas["TimesheetRead"];
export type Today = Schemas["TodayRead"];
export type Token = Schemas["TokenRead"];
export type User = Schemas["UserRead"];
export type Webhook = Schemas["WebhookRead"];
