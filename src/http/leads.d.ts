/** The request and response bodies of the Leads API. */

/** A UUIDv7 as a TypeID: `lead_01h455vb4pex5vsknk084sn02q`. */
export type LeadId = `lead_${string}`;

/** A time in UTC, RFC 3339 with microseconds: `2026-03-01T12:00:00.000000Z`. */
export type Time = string;

export type CustomScalar = string | number | boolean;
export type CustomValue = CustomScalar | CustomScalar[];

export interface Lead {
  id: LeadId;
  /** The id in another system, unique in the store. */
  external_id: string | null;
  name: string;
  email: string | null;
  phone: string | null;
  company: string | null;
  job_title: string | null;
  status: string;
  source: string | null;
  owner_id: string | null;
  deal_value: number | null;
  tags: string[];
  custom_fields: Record<string, CustomValue>;
  created_at: Time;
  updated_at: Time;
  /** 1 at creation, incremented by every change. */
  version: number;
}

export interface TrashedLead extends Lead {
  deleted_at: Time;
  /** The time until which the lead can be restored. */
  expires_at: Time;
}

export interface Hit extends Lead {
  matches: Match[];
}

/** The matches of a search in one value of a lead. */
export interface Match {
  field: "name" | "company" | "email" | "phone" | "tags" | "source" | "job_title" | `custom_fields.${string}`;
  /** The index in the list, for tags and custom fields that are lists. */
  item: number | null;
  /** The start and end of each match, for `value.slice(begin, end)`. */
  ranges: [begin: number, end: number][];
}

export interface Pagination {
  page: number;
  per_page: number;
  /** Exact, at any depth. */
  total: number;
  total_pages: number;
  /** For `ListParameters.cursor`; null on the last page, and in searches and the trash. */
  next_cursor: string | null;
}

export interface Page<T> {
  data: T[];
  pagination: Pagination;
}

export type LeadPage = Page<Lead>;
export type TrashPage = Page<TrashedLead>;
export type HitPage = Page<Hit>;

/** The body of `POST /v1/leads`. */
export interface NewLead {
  id?: LeadId | null;
  external_id?: string | null;
  name: string;
  email?: string | null;
  phone?: string | null;
  company?: string | null;
  job_title?: string | null;
  status?: string | null;
  source?: string | null;
  owner_id?: string | null;
  deal_value?: number | null;
  tags?: string[] | null;
  custom_fields?: Record<string, CustomValue | null> | null;
}

/** The body of `PATCH /v1/leads/{id}`, a merge patch: an absent member leaves the field unchanged, `null` clears it. */
export interface LeadPatch {
  external_id?: string | null;
  name?: string;
  email?: string | null;
  phone?: string | null;
  company?: string | null;
  job_title?: string | null;
  status?: string;
  source?: string | null;
  owner_id?: string | null;
  deal_value?: number | null;
  /** Replaces the whole list. */
  tags?: string[] | null;
  /** Merged by name; `null` removes a field. */
  custom_fields?: Record<string, CustomValue | null> | null;
}

export type SortKey =
  | "created_at"
  | "updated_at"
  | "name"
  | "company"
  | "job_title"
  | "email"
  | "status"
  | "source"
  | "owner_id"
  | "deal_value";

/** The parameters of `GET /v1/leads`. Several values of a parameter are separated by commas. */
export interface ListParameters {
  page?: number;
  per_page?: number;
  /** Replaces `page`. */
  cursor?: string;
  /** Up to three sort keys, separated by commas; a leading `-` sorts in descending order. */
  sort?: SortKey | `-${SortKey}` | (string & {});
  status?: string;
  source?: string;
  job_title?: string;
  /** An empty value selects leads without an owner. */
  owner_id?: string;
  tag?: string;
  created_after?: string;
  created_before?: string;
  updated_after?: string;
  updated_before?: string;
  deal_value_min?: number;
  deal_value_max?: number;
}

export type SearchField = Exclude<Match["field"], `custom_fields.${string}`> | "custom_fields" | `custom_fields.${string}`;

/** The body of `POST /v1/leads/search`. */
export interface Search {
  query: string;
  /** All fields if absent or empty. */
  fields?: SearchField[] | null;
  typos?: "auto" | "always" | "never" | null;
  page?: number | null;
  per_page?: number | null;
  status?: string | string[] | null;
  source?: string | string[] | null;
  job_title?: string | string[] | null;
  owner_id?: string | string[] | null;
  tag?: string | string[] | null;
  created_after?: string | null;
  created_before?: string | null;
  updated_after?: string | null;
  updated_before?: string | null;
  deal_value_min?: number | null;
  deal_value_max?: number | null;
}

export interface Violation {
  field: string;
  code:
    | "required"
    | "too_long"
    | "invalid_character"
    | "invalid_format"
    | "out_of_range"
    | "duplicate"
    | "not_allowed"
    | "invalid_type"
    | "unknown";
  message: string;
}

/** The body of every response with a status of 400 or more. */
export type Fault =
  | {
      error:
        | "malformed_request"
        | "unauthorized"
        | "forbidden"
        | "not_found"
        | "method_not_allowed"
        | "not_in_trash"
        | "version_conflict"
        | "too_large"
        | "unsupported_media_type"
        | "internal"
        | "unavailable";
      message: string;
    }
  | { error: "in_trash"; message: string; expires_at: Time }
  | { error: "already_exists"; message: string; expires_at?: Time }
  | { error: "validation_failed"; message: string; details: Violation[] };
