%% @private
%% @doc What a process has noted down of itself, in its dictionary: the integer that stands for its pid in requests
%% (`process' in docs/protocol.md), and the socket that it called last, which the words of a handle would tell, each of them
%% from memory that nobody else looks at.
-module(gosocket_near).

-export([find/1]).

-include("gosocket.hrl").

-define(KEY, '$gosocket_process').

%% Everything but the process is about the handle: its lane, the persistent term that has this pid as long as the lane runs, how
%% much of a send goes with its first frame, the helper's number, and what requests begin with, that number and the process.
-type near() :: {pid(), Process :: binary(), gosocket_handle:handle(), gosocket_handle:place(), Term :: term(), Lane :: pid(),
                 Window :: pos_integer(), Socket :: non_neg_integer(), Subject :: binary(), #gosocket_lane{}}.

-export_type([near/0]).

%% On the way of each call.
-compile({inline, [another/2, put_near/1, subject/2]}).

-include("gosocket_reload.hrl").

%% @doc Nothing for handles of other nodes and of lanes that are gone or that nobody is to call just now. Whether the lane still runs is
%% another question. What somebody copied from the dictionary of another process is not taken.
-spec find(gosocket_handle:handle()) -> near() | none.
find(Handle) ->
    Self = self(),
    case get(?KEY) of
        {Self, _, Handle, _, _, _, _, _, _, _} = Near -> Near;
        {Self, _, _, _, _, _, _, _, _, _} = Near -> another(Handle, Near);
        _ -> note(Self, process(Self), Handle)
    end.

%% Most are of the same lane.
-spec another(gosocket_handle:handle(), near()) -> near() | none.
another(Handle, {Self, Process, _, Place, Term, Lane, Window, _, _, Known}) ->
    case gosocket_handle:place(Handle) of
        {Place, Socket} -> put_near({Self, Process, Handle, Place, Term, Lane, Window, Socket, subject(Socket, Process), Known});
        {remote, _} -> none;
        _ -> note(Self, Process, Handle)
    end.

-spec note(pid(), binary(), gosocket_handle:handle()) -> near() | none.
note(Self, Process, Handle) ->
    case gosocket_handle:find(Handle) of
        {Lane, none, #gosocket_lane{words = Words} = Known, Socket} ->
            {Place, _} = gosocket_handle:place(Handle),
            Term = ?LANE(gosocket_handle:number(Place)),
            put_near({Self, Process, Handle, Place, Term, Lane, atomics:get(Words, ?WINDOW_WORD), Socket, subject(Socket, Process), Known});
        _ ->
            none
    end.

-spec put_near(near()) -> near().
put_near(Near) ->
    put(?KEY, Near),
    Near.

-spec subject(Socket :: non_neg_integer(), Process :: binary()) -> binary().
subject(Socket, Process) ->
    <<(gosocket_term:item(Socket))/binary, Process/binary>>.

-spec process(pid()) -> binary().
process(Self) ->
    Pid = term_to_binary(Self),
    <<_Node:(byte_size(Pid) - 12)/binary, Numbers:64, _Creation:32>> = Pid,
    gosocket_term:item(Numbers).
