%% @private
%% @doc What `sys' asks of a lane.
-module(gosocket_lane_sys).

-export([system_continue/3,
         system_terminate/4,
         system_code_change/4,
         system_get_state/1,
         system_replace_state/2]).

-include("gosocket_reload.hrl").

-spec system_continue(pid(), [sys:dbg_opt()], gosocket_lane:path()) -> no_return().
system_continue(_Parent, _Debug, Lane) ->
    gosocket_lane:resume(Lane).

-spec system_terminate(term(), pid(), [sys:dbg_opt()], gosocket_lane:path()) -> no_return().
system_terminate(Reason, _Parent, _Debug, _Lane) ->
    exit(Reason).

-spec system_code_change(Lane, module(), term(), term()) -> {ok, Lane} when Lane :: gosocket_lane:path().
system_code_change(Lane, _Module, _OldVsn, _Extra) ->
    {ok, Lane}.

-spec system_get_state(Lane) -> {ok, Lane} when Lane :: gosocket_lane:path().
system_get_state(Lane) ->
    {ok, Lane}.

-spec system_replace_state(fun((Lane) -> Lane), Lane) -> {ok, Lane, Lane} when Lane :: gosocket_lane:path().
system_replace_state(Replace, Lane) ->
    New = Replace(Lane),
    {ok, New, New}.
