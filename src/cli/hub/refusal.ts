/** The hub's refusals, each as one sentence with advice. */

/** A refusal that another try does not change. */
export class HubRefusal extends Error {}

interface Asked {
  readonly endpoint: string;
  /** `owner/name` */
  readonly repo: string;
  /** Null: the request is about the repository itself. */
  readonly path: string | null;
  readonly hasToken: boolean;
}

/** Whether another try can help: the server is busy or broken for the moment. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/**
 * The sentence for a response, after huggingface_hub's utils/_http.py: X-Error-Code names the reason; without a token, 401 also
 * means a repository that does not exist.
 */
export function refusal(response: Pick<Response, 'status' | 'headers'>, asked: Asked): HubRefusal {
  const { endpoint, repo, path, hasToken } = asked;
  const page = `${endpoint}/${repo}`;
  const what = path === null ? repo : `${repo}/${path}`;
  const code = response.headers.get('x-error-code');
  const token = `make a token of type read at ${endpoint}/settings/tokens and set HF_TOKEN to it`;
  if (code === 'GatedRepo') {
    return new HubRefusal(
      hasToken
        ? `${repo} is gated and this token may not read it: log in at ${page}, accept the terms there, and use that account's token in HF_TOKEN`
        : `${repo} is gated: log in at ${page}, accept the terms there, then ${token}`,
    );
  }
  if (code === 'RevisionNotFound') {
    return new HubRefusal(`${repo} has no such revision; see ${page}`);
  }
  switch (response.status) {
    case 401:
      return new HubRefusal(
        hasToken
          ? `${what}: the hub does not accept the token in HF_TOKEN (401); ${token}`
          : `${what}: the hub asks for a token (401), for ${repo} is private, gated or not there; ${token}`,
      );
    case 403:
      return new HubRefusal(`${what}: this token may not read it (403); ask for access at ${page}`);
    case 404:
      return new HubRefusal(
        path === null
          ? `${repo} is not on ${endpoint} (404); its owner may have moved it`
          : `${what} is not on ${endpoint} (404); see ${page}/tree/main for what is`,
      );
    default:
      return new HubRefusal(`${what}: ${endpoint} answered ${response.status}; try again later`);
  }
}
