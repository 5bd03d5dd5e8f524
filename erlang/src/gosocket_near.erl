%% @private
%% @doc What a process has noted down of itself, in its dictionary: the integer that stands for its pid in requests
%% (`process' in docs/protocol.md), and the socket that it called last, which the words of a handle would tell, each of them
%% from memory that nobody else looks at.
-module(gosocket_near).

-export([find/1]).

-include("gosocket.hrl").

-define(KEY, '$gosocket_process').

%% Everything but the process is about the handle: the persistent term of its lane, the run of that, the helper's number, and
%% what requests begin with, that number and the process.
-type near() :: {pid(), Process :: binary(), gosocket_handle:handle(), Lane :: term(), Incarnation :: pos_integer(),
                 Socket :: non_neg_integer(), Subject :: binary()}.

-include("gosocket_reload.hrl").

%% @doc Nothing for handles of other nodes. Whether the lane still runs is another question. What somebody copied from the dictionary of another process is not taken.
-spec find(gosocket_handle:handle()) -> near() | none.
find(Handle) ->
    Self = self(),
    case get(?KEY) of
        {Self, _, Handle, _, _, _, _} = Near -> Near;
        {Self, Process, _, _, _, _, _} -> note(Self, Process, Handle);
        _ -> note(Self, process(Self), Handle)
    end.

-spec note(pid(), binary(), gosocket_handle:handle()) -> near() | none.
note(Self, Process, Handle) ->
    case gosocket_handle:place(Handle) of
        {Lane, Incarnation, Socket} ->
            Near = {Self, Process, Handle, Lane, Incarnation, Socket, <<(gosocket_term:item(Socket))/binary, Process/binary>>},
            put(?KEY, Near),
            Near;
        {remote, _} ->
            none
    end.

-spec process(pid()) -> binary().
process(Self) ->
    Pid = term_to_binary(Self),
    <<_Node:(byte_size(Pid) - 12)/binary, Numbers:64, _Creation:32>> = Pid,
    gosocket_term:item(Numbers).
