%% @private
%% @doc Where a helper can run. Elsewhere the modules load and answer all the same, so that a project which uses them can be
%% compiled and tested there; sockets of other nodes can be used from there.
-module(gosocket_platform).

-export([check/0]).

-spec check() -> ok | {error, enotsup}.
check() ->
    case os:type() of
        {unix, linux} -> ok;
        _ -> {error, enotsup}
    end.
